package std

import (
	"io"
	"math"
	"sync"
)

// firstWindow is what a peer of smux 2 takes before it has said so, in bytes.
const firstWindow = 256 << 10

// credit is how many bytes a stream may still send: without a limit in smux 1,
// by the window of the peer in smux 2.
type credit struct {
	limited bool
	more    chan struct{} // has one element after a grant

	mu       sync.Mutex
	sent     uint32 // bytes, modulo 2^32 as on the wire
	consumed uint32 // of those, by the peer's application
	window   uint32
}

func newCredit(version byte) credit {
	return credit{limited: version == 2, window: firstWindow, more: make(chan struct{}, 1)}
}

// grant takes note of what an UPD frame says.
func (c *credit) grant(consumed, window uint32) {
	c.mu.Lock()
	c.consumed, c.window = consumed, window
	c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// take takes up to n bytes of credit. Where there is none it calls flush, as what
// was held back may be what the peer waits for, and waits. It fails when flush does,
// or when the stream or the session was closed.
func (c *credit) take(n int, flush func() error, stream, session <-chan struct{}) (int, error) {
	select {
	case <-stream:
		return 0, io.ErrClosedPipe
	default:
	}
	if !c.limited {
		return n, nil
	}
	for first := true; ; first = false {
		if got := c.try(n); got > 0 {
			return got, nil
		}
		if first {
			if err := flush(); err != nil {
				return 0, err
			}
		}
		select {
		case <-c.more:
		case <-stream:
			return 0, io.ErrClosedPipe
		case <-session:
			return 0, errCut
		}
	}
}

func (c *credit) try(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A peer that says it consumed more than was sent gives no credit at all.
	inFlight := c.sent - c.consumed
	if inFlight > math.MaxInt32 || inFlight >= c.window {
		return 0
	}
	n = int(min(uint32(n), c.window-inFlight))
	c.sent += uint32(n)
	return n
}
