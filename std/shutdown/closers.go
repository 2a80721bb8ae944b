package shutdown

import (
	"io"
	"slices"
	"sync"
)

// Closers closes several things together, the last one added first. Anything added after
// Close is closed at once. It exists because a relay with one direction already ended wakes
// up only when both its ends are closed.
type Closers struct {
	mu     sync.Mutex
	list   []io.Closer
	closed bool
}

// Add adds something to close.
func (c *Closers) Add(closer io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		closer.Close()
		return
	}
	if c.list == nil {
		c.list = make([]io.Closer, 0, 3) // a relay has two ends and itself
	}
	c.list = append(c.list, closer)
}

// Close closes everything. It is idempotent.
func (c *Closers) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, closer := range slices.Backward(c.list) {
		closer.Close()
	}
	c.list = nil
	return nil
}

// CloserFunc is a function that serves as a Closer.
type CloserFunc func()

// Close calls the function.
func (f CloserFunc) Close() error {
	f()
	return nil
}
