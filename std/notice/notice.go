// Package notice keeps a trouble that goes on from filling the log.
package notice

import (
	"sync/atomic"
	"time"

	"kcptun/std/clock"
)

// Every is how often a trouble that goes on is logged.
const Every = time.Minute

// Recurring is a trouble that may happen any number of times. It is logged the first
// time, and then once a minute with the number of times since. The zero value is ready;
// any number of goroutines may use it.
//
//	if times, due := refused.Due(); due {
//		log.Warn("session refused", "reason", err, "times", times)
//	}
type Recurring struct {
	count atomic.Int64 // since the last line
	next  atomic.Int64 // std/clock nanoseconds of the earliest next line; 0: none was logged yet
}

// Due counts the trouble once more and tells whether a line is due, and how many times
// that line stands for. It allocates nothing: it may be called for datagrams of anybody.
func (r *Recurring) Due() (times int64, due bool) {
	r.count.Add(1)
	now, next := int64(clock.Now()), r.next.Load()
	if next != 0 && now < next || !r.next.CompareAndSwap(next, now+int64(Every)) {
		return 0, false
	}
	return r.count.Swap(0), true
}
