// Package clock is the one clock of the programs. It counts from the start of the
// process and nobody sets it: a step of the wall clock (NTP, a router that boots in
// 1970) neither ends nor prolongs anything. It stands still while the system sleeps.
//
// What a person reads, the log's times and the lines of --snmplog, comes from the wall
// clock and not from here.
package clock

import "time"

var origin = time.Now() // with its monotonic reading

// Now is the time since the process began.
func Now() time.Duration { return time.Since(origin) }

// WithSleep is a clock like Now, but with another origin, and it goes on while the system
// sleeps where that is known (Linux, macOS, Windows). It costs a system call on some.
func WithSleep() time.Duration {
	if d, ok := bootTime(); ok {
		return d
	}
	return Now()
}

// Aligned is the shortest time from now, of at least d, that ends at a multiple of
// grid. Timers of many sessions that are set by it fire at the same moments: waking an
// idle program costs more than what it does then.
func Aligned(d, grid time.Duration) time.Duration { return aligned(Now(), d, grid) }

func aligned(now, d, grid time.Duration) time.Duration {
	return d + (grid-(now+d)%grid)%grid
}
