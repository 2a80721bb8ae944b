package relay

import "sync"

// Sizes in bytes of the pooled copy buffers. The small one is for looking at data before
// there is room for it, and for systems that need a buffer to wait for data.
const (
	copyBuffer  = 64 << 10
	smallBuffer = 4 << 10
)

// buffer is a buffer from a pool.
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
