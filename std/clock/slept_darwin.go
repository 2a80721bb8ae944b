package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootTime counts while the system sleeps, too, as CLOCK_MONOTONIC does here; package
// time's clock does not.
func bootTime() (time.Duration, bool) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano()), err == nil
}
