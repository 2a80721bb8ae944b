// Package quota bounds the total size of the buffers of all sessions of a process.
//
// A holder of buffers counts them in a Bound, and holds no more than the Bound allows,
// which is as much as is still free. A single holder may thus have half, and each of n
// holders that want all they can get ends up with 1 / (n+1). So something is always free,
// and a holder that needs little never runs short, however much the others take.
package quota

import (
	"math"
	"sync/atomic"
)

// Bound is a limit on what may be held. A nil Bound is unlimited.
type Bound struct {
	limit int64 // bytes
	held  atomic.Int64
}

// NewBound returns a bound of limit bytes.
func NewBound(limit int64) *Bound { return &Bound{limit: limit} }

// Hold adds n bytes to what is held; a negative n releases them.
func (b *Bound) Hold(n int64) {
	if b != nil && n != 0 {
		b.held.Add(n)
	}
}

// Held is the number of bytes held.
func (b *Bound) Held() int64 {
	if b == nil {
		return 0
	}
	return b.held.Load()
}

// Limit is the number of bytes that may be held.
func (b *Bound) Limit() int64 {
	if b == nil {
		return math.MaxInt64
	}
	return b.limit
}

// Share is the most that one holder may have now, in bytes, including what it already
// holds.
func (b *Bound) Share() int64 {
	if b == nil {
		return math.MaxInt64
	}
	return max(b.limit-b.held.Load(), 0)
}
