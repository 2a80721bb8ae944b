package arq

import "sync"

// maxSegment is the largest amount of data in one segment, in bytes. It fits in a datagram.
const maxSegment = 1500

// buffer holds the data of one segment.
type buffer struct {
	from, to int
	bytes    [maxSegment]byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// newBuffer returns a buffer that holds a copy of data.
func newBuffer(data []byte) *buffer {
	b := buffers.Get().(*buffer)
	b.from, b.to = 0, copy(b.bytes[:], data)
	return b
}

func (b *buffer) data() []byte { return b.bytes[b.from:b.to] }

func (b *buffer) skip(n int) { b.from += n }

// add appends as much of p as fits below limit, and returns how much that was.
func (b *buffer) add(p []byte, limit int) int {
	n := copy(b.bytes[b.to:max(limit, b.to)], p)
	b.to += n
	return n
}

func (b *buffer) free() { buffers.Put(b) }
