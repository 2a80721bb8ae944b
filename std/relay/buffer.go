package relay

import "sync"

// The sizes in bytes of the buffers that copying takes from pools. The small one holds
// what is looked at before there is room for it, or waited for where the system wants
// a buffer for that.
const (
	copyBuffer  = 64 << 10
	smallBuffer = 4 << 10
)

// buffer is a buffer of a pool.
type buffer []byte

var (
	copyBuffers  = sync.Pool{New: func() any { b := make(buffer, copyBuffer); return &b }}
	smallBuffers = sync.Pool{New: func() any { b := make(buffer, smallBuffer); return &b }}
)

// takeBuffer takes a buffer with at least size bytes, up to copyBuffer.
func takeBuffer(size int) *buffer {
	if size <= smallBuffer {
		return smallBuffers.Get().(*buffer)
	}
	return copyBuffers.Get().(*buffer)
}

func (b *buffer) bytes() []byte { return *b }

// free gives a buffer back; nil is none.
func (b *buffer) free() {
	switch {
	case b == nil:
	case len(*b) == smallBuffer:
		smallBuffers.Put(b)
	default:
		copyBuffers.Put(b)
	}
}
