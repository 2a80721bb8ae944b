// Package quota bounds what the buffers of all sessions of a process take together.
//
// Who holds buffers counts them in a Bound, and holds no more than it says: as much as is
// free. One alone may so have a half, and each of n that want all they can get comes to
// 1 / (n+1). So something is always free, and who needs little is never short of it,
// however much others take.
package quota

import (
	"math"
	"sync/atomic"
)

// Bound is what may be held. A nil Bound has no end.
type Bound struct {
	limit int64 // bytes
	held  atomic.Int64
}

// NewBound is a bound of so many bytes.
func NewBound(limit int64) *Bound { return &Bound{limit: limit} }

// Hold counts n bytes that are held from now on, or no more where n is below 0.
func (b *Bound) Hold(n int64) {
	if b != nil && n != 0 {
		b.held.Add(n)
	}
}

// Held is how many bytes are held.
func (b *Bound) Held() int64 {
	if b == nil {
		return 0
	}
	return b.held.Load()
}

// Limit is how many bytes may be held.
func (b *Bound) Limit() int64 {
	if b == nil {
		return math.MaxInt64
	}
	return b.limit
}

// Share is the most that one holder may have now, in bytes, with what it has.
func (b *Bound) Share() int64 {
	if b == nil {
		return math.MaxInt64
	}
	return max(b.limit-b.held.Load(), 0)
}
