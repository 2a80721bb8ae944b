package mux

import (
	"math/bits"
	"sync"
)

// block holds received bytes of a stream, from index off on. The blocks of a stream form a
// queue.
type block struct {
	bytes []byte // its capacity is the block's size
	off   int
	next  *block
}

// Block sizes are powers of two, from smallBlock to largeBlock bytes. The largest holds the
// data of any frame.
const (
	smallBlock = 512
	largeBlock = 64 << 10
)

var blockPools [8]sync.Pool // of *block, by size

// blockPool returns the index of the pool whose blocks have at least size bytes.
func blockPool(size int) int {
	return bits.Len(uint(max(size, smallBlock)-1)) - bits.Len(uint(smallBlock-1))
}

func newBlock(size int) *block {
	i := blockPool(size)
	if b, ok := blockPools[i].Get().(*block); ok {
		return b
	}
	return &block{bytes: make([]byte, 0, smallBlock<<i)}
}

// free gives a block back to its pool.
func (b *block) free() {
	b.bytes, b.off, b.next = b.bytes[:0], 0, nil
	blockPools[blockPool(cap(b.bytes))].Put(b)
}

// blocks is a queue of received bytes.
type blocks struct{ first, last *block }

func (q *blocks) push(b *block) {
	if q.last == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last = b
}

// A block may be left with one maxWaste-th of its size empty while others are queued behind
// it.
const maxWaste = 8

// add queues a block, or copies its data into the last block if that has room. Frames may
// be of any size, and blocks are up to twice as large, so that unfilled blocks would waste
// memory. Neither common case copies: if the reader keeps up, nothing is queued, and the
// frames of a large transfer fill their blocks. It returns the memory added.
func (q *blocks) add(b *block) (memory int) {
	if q.last == nil || len(q.last.room()) < cap(q.last.bytes)/maxWaste {
		q.push(b)
		return cap(b.bytes)
	}
	memory = q.append(b.bytes)
	b.free()
	return memory
}

// append copies data to the end of the queue, using the room of the last block first: a
// peer that sends single bytes must not cost a block for each. It returns the memory added.
func (q *blocks) append(data []byte) (memory int) {
	if last := q.last; last != nil {
		n := copy(last.room(), data)
		last.bytes, data = last.bytes[:len(last.bytes)+n], data[n:]
	}
	if len(data) == 0 {
		return 0
	}
	q.push(newBlock(len(data)))
	q.last.bytes = append(q.last.bytes, data...)
	return cap(q.last.bytes)
}

// room is the unused end of a block.
func (b *block) room() []byte { return b.bytes[len(b.bytes):cap(b.bytes)] }

// pop removes the first block, or with many a chain of up to maxBlocks.
func (q *blocks) pop(many bool) *block {
	first, last := q.first, q.first
	for n := 1; many && n < maxBlocks && last.next != nil; n++ {
		last = last.next
	}
	q.first, last.next = last.next, nil
	if q.first == nil {
		q.last = nil
	}
	return first
}

// size returns the number of unread bytes in a chain of blocks, and the memory that the
// blocks take.
func (b *block) size() (n, memory int) {
	for ; b != nil; b = b.next {
		n += len(b.bytes) - b.off
		memory += cap(b.bytes)
	}
	return n, memory
}

// freeAll frees a chain of blocks.
func (b *block) freeAll() {
	for b != nil {
		next := b.next
		b.free()
		b = next
	}
}

// read copies from the first block into p. It returns the number of bytes and the memory
// freed.
func (q *blocks) read(p []byte) (n, memory int) {
	b := q.first
	n = copy(p, b.bytes[b.off:])
	if b.off += n; b.off == len(b.bytes) {
		memory = cap(b.bytes)
		q.pop(false).free()
	}
	return n, memory
}

// clear discards everything and returns the memory freed.
func (q *blocks) clear() int {
	_, memory := q.first.size()
	q.first.freeAll()
	*q = blocks{}
	return memory
}
