package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootTime counts while the system sleeps, too.
func bootTime() (time.Duration, bool) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return time.Duration(now.Nano()), err == nil
}
