//go:build !linux && !darwin

package clock

import "time"

// bootTime is unknown here. On Windows the clock of package time counts during sleep
// anyway.
func bootTime() (time.Duration, bool) { return 0, false }
