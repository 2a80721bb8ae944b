package relay

import "sync"

// The sizes in bytes of the pooled buffers for copying. The small one is for what is
// inspected before there is room for it, and for waiting where the system requires a
// buffer for that.
const (
	copyBuffer  = 64 << 10
	smallBuffer = 4 << 10
)

// buffer belongs to a pool.
type buffer []byte

var (
	copyBuffers  = sync.Pool{New: func() any { b := make(buffer, copyBuffer); return &b }}
	smallBuffers = sync.Pool{New: func() any { b := make(buffer, smallBuffer); return &b }}
)

// getBuffer returns a buffer with at least size bytes, at most copyBuffer.
func getBuffer(size int) *buffer {
	if size <= smallBuffer {
		return smallBuffers.Get().(*buffer)
	}
	return copyBuffers.Get().(*buffer)
}

func (b *buffer) bytes() []byte { return *b }

// free returns a buffer to its pool; nil is allowed.
func (b *buffer) free() {
	switch {
	case b == nil:
	case len(*b) == smallBuffer:
		smallBuffers.Put(b)
	default:
		copyBuffers.Put(b)
	}
}
