//go:build !linux && !darwin

package clock

import "time"

// bootTime is not known here; on Windows package time's clock counts on by itself.
func bootTime() (time.Duration, bool) { return 0, false }
