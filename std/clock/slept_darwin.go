package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootTime also counts while the system sleeps, as CLOCK_MONOTONIC does here; the clock of
// package time does not.
func bootTime() (time.Duration, bool) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano()), err == nil
}
