// Package clock is the single clock of the programs. It counts from the start of the
// process and cannot be set, so a step of the wall clock (NTP, a router that boots in 1970)
// neither ends nor prolongs anything. It stands still while the system sleeps.
//
// Times for people to read, in the log and in the lines of --snmplog, come from the wall
// clock instead.
package clock

import "time"

var origin = time.Now() // with its monotonic reading

// Now is the time since the process started.
func Now() time.Duration { return time.Since(origin) }

// WithSleep is a clock like Now, but with another origin, and it also counts while the
// system sleeps if the system supports that (Linux, macOS, Windows). On some systems it
// costs a system call.
func WithSleep() time.Duration {
	if d, ok := bootTime(); ok {
		return d
	}
	return Now()
}

// Aligned is the shortest time from now, of at least d, that ends at a multiple of grid.
// Timers that many sessions set with it fire at the same moments: waking an idle program
// costs more than what it then does.
func Aligned(d, grid time.Duration) time.Duration { return aligned(Now(), d, grid) }

func aligned(now, d, grid time.Duration) time.Duration {
	return d + (grid-(now+d)%grid)%grid
}
