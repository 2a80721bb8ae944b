package mux

import (
	"math"
	"time"
)

// A stream is in use while data arrives on it at moments that are at least useApart apart,
// so that they are more than one answer, and at most useWithin, so that they are more than
// keepalives.
const (
	useApart  = time.Second
	useWithin = 10 * time.Second
)

// usage tells whether a stream is in use. It is the last such moment, by clock.Now, and
// belongs to the receiver.
type usage time.Duration

const neverUsed = usage(math.MinInt64 / 2)

// arrived tells whether data that arrives now shows that the stream is in use. That is so
// once a second at most.
func (u *usage) arrived(now time.Duration) bool {
	since := now - time.Duration(*u)
	if since < useApart {
		return false
	}
	*u = usage(now)
	return since <= useWithin
}
