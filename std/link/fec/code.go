// Package fec is forward error correction on the wire of kcp-go: packets travel in
// groups, each followed by parity packets, of which every one can stand in for any
// packet of the group that was lost.
//
// A packet that is sent gets a header of 8 bytes, little endian: sequence number u32,
// kind u16, and the size of what follows with these two bytes, u16. The first 6 bytes
// stand before a parity packet, too. A group is Data packets and Parity parity
// packets; its sequence numbers are consecutive, and its first is a multiple of their
// sum. What the parity is of begins at the size, and is filled up with zeros to the
// longest of the group.
package fec

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/klauspost/reedsolomon"
)

const (
	// Header is the number of bytes before a packet.
	Header = 8
	// MaxPacket is the longest packet, with its header, in bytes: kcp-go's limit.
	MaxPacket = 1500
	// MaxShards is the most packets of a group, parity included.
	MaxShards = 256

	kindOffset  = 4
	sizeOffset  = 6
	kindData    = 0xf1
	kindParity  = 0xf2
	stride      = (MaxPacket + 63) &^ 63 // of the packets in a slab
	cachedCodes = 64
)

// Codes are the codes that are in use. It is made once for a program.
type Codes struct {
	mu    sync.Mutex
	known map[shape]*code
}

// shape is how many packets a group has of each kind.
type shape struct{ data, parity int }

func (s shape) total() int { return s.data + s.parity }

// off tells whether a group of this shape carries no parity.
func (s shape) off() bool { return s.data <= 0 || s.parity <= 0 }

// possible tells whether there can be groups of this shape, with parity.
func (s shape) possible() bool { return !s.off() && s.data < MaxShards && s.parity <= MaxShards-s.data }

// Check tells whether groups of this shape can be.
func Check(data, parity int) error {
	s := shape{data, parity}
	if data < 0 || parity < 0 || !s.off() && !s.possible() {
		return fmt.Errorf("groups of %d packets and %d of parity: there may be %d together", data, parity, MaxShards)
	}
	return nil
}

// get makes the code of a shape, or finds it. It is nil for one that cannot be. Shapes
// come from peers, and all of them share the lock: making one must cost next to nothing.
func (c *Codes) get(s shape) *code {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.known[s]; known != nil {
		return known
	}
	fresh := newCode(s)
	if fresh == nil {
		return nil
	}
	if c.known == nil || len(c.known) >= cachedCodes { // it must not grow
		c.known = make(map[shape]*code)
	}
	c.known[s] = fresh
	return fresh
}

// code does the arithmetic of one shape, for any number of peers at the same time.
type code struct {
	shape
	coder func() reedsolomon.Encoder // makes parity; nil where the library refuses the shape
	slabs sync.Pool
	end   uint32 // sequence numbers are below it: whole groups only
}

func newCode(s shape) *code {
	if !s.possible() {
		return nil
	}
	c := &code{shape: s, end: math.MaxUint32 / uint32(s.total()) * uint32(s.total())}
	// The matrix takes up to 55 ms to make. Who restores does not need it: it is made
	// for the shape that we send, which comes from the settings.
	c.coder = sync.OnceValue(s.coder)
	c.slabs.New = func() any { return newSlab(s.total()) }
	return c
}

// coder makes what makes parity.
func (s shape) coder() reedsolomon.Encoder {
	// Packets are too short to share them out among goroutines.
	rs, err := reedsolomon.New(s.data, s.parity, reedsolomon.WithMaxGoroutines(1), reedsolomon.WithInversionCache(false))
	if err != nil {
		return nil
	}
	return rs
}

func (c *code) slab() *slab { return c.slabs.Get().(*slab) }

// free gives a slab back.
func (c *code) free(s *slab) {
	clear(s.shards)
	c.slabs.Put(s)
}

// slab is room for the packets of a group. What the parity is of is in shards, for
// those packets that are there.
type slab struct {
	buf    []byte
	shards [][]byte
}

func newSlab(packets int) *slab {
	return &slab{buf: make([]byte, packets*stride), shards: make([][]byte, packets)}
}

// packet is the room of packet i, header included.
func (s *slab) packet(i int) []byte { return s.buf[i*stride:][:MaxPacket:MaxPacket] }

// fill makes shard i as long as the longest.
func (s *slab) fill(i, size int) {
	n := len(s.shards[i])
	s.shards[i] = s.shards[i][:size]
	clear(s.shards[i][n:])
}

func putHeader(p []byte, seq uint32, kind uint16) {
	binary.LittleEndian.PutUint32(p, seq)
	binary.LittleEndian.PutUint16(p[kindOffset:], kind)
}
