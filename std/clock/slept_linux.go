package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootTime also counts while the system sleeps.
func bootTime() (time.Duration, bool) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return time.Duration(now.Nano()), err == nil
}
