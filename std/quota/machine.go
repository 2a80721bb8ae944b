package quota

import (
	"math"
	"runtime/debug"
)

// The default of the bound is an eighth of the memory that the process may use, within
// these limits. The lower limit is what two sessions need for 20 Mbit/s at 100 ms; the
// upper limit carries several hundred Mbit/s over a round trip of a second.
const (
	defaultPart  = 8
	leastDefault = 8 << 20
	mostDefault  = 512 << 20
	unknown      = 1 << 30 // bytes assumed for a machine that does not report its memory
)

// Default is the bound in bytes if none was set.
func Default() int64 { return defaultOf(usable(machine(), debug.SetMemoryLimit(-1))) }

// usable is the memory that the process may use: that of the machine or its container, but
// no more than GOMEMLIMIT. 0 means unknown.
func usable(machine, goLimit int64) int64 {
	if machine <= 0 {
		machine = unknown
	}
	if goLimit <= 0 {
		goLimit = math.MaxInt64
	}
	return min(machine, goLimit)
}

func defaultOf(usable int64) int64 {
	return min(max(usable/defaultPart, leastDefault), mostDefault)
}
