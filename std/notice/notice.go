// Package notice keeps a persistent problem from filling the log.
package notice

import (
	"sync/atomic"
	"time"

	"kcptun/std/clock"
)

// Every is how often a persistent problem is logged.
const Every = time.Minute

// Recurring is a problem that may occur any number of times. It is logged the first time,
// and then at most once a minute with the number of times since. The zero value is ready to
// use, from any number of goroutines.
//
//	if times, due := refused.Due(); due {
//		log.Warn("session refused", "reason", err, "times", times)
//	}
type Recurring struct {
	count atomic.Int64 // since the last line
	next  atomic.Int64 // earliest next line, in nanoseconds of std/clock; 0: not logged yet
}

// Due counts one more occurrence. It tells whether a line is due, and how many occurrences
// that line stands for. It does not allocate, so it may be called for datagrams from
// anybody.
func (r *Recurring) Due() (times int64, due bool) {
	r.count.Add(1)
	now, next := int64(clock.Now()), r.next.Load()
	if next != 0 && now < next || !r.next.CompareAndSwap(next, now+int64(Every)) {
		return 0, false
	}
	return r.count.Swap(0), true
}
