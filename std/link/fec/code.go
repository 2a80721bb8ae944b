// Package fec is forward error correction in kcp-go's wire format: packets travel in
// groups, each followed by parity packets. Any parity packet can replace any lost packet of
// its group.
//
// A packet is sent with a header of 8 bytes, little endian: the sequence number as u32, the
// kind as u16, and as u16 the size of what follows including these two bytes. The first 6
// bytes also precede a parity packet. A group consists of Data packets and Parity parity
// packets. Its sequence numbers are consecutive, and the first is a multiple of the size of
// the group. Parity covers the packet from the size field on, padded with zeros to the
// longest packet of the group.
package fec

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/klauspost/reedsolomon"
)

const (
	// Header is the number of bytes added in front of a packet.
	Header = 8
	// MaxPacket is the longest packet including its header, in bytes. It is kcp-go's limit.
	MaxPacket = 1500
	// MaxShards is the largest number of packets in a group, parity included.
	MaxShards = 256

	kindOffset  = 4
	sizeOffset  = 6
	kindData    = 0xf1
	kindParity  = 0xf2
	vector      = 64 // bytes that the library computes at a time; it is slow with the rest of a shard
	lead        = vector - sizeOffset
	stride      = (lead + MaxPacket + vector - 1) &^ (vector - 1) // distance between the packets in a slab
	cachedCodes = 64
)

// Codes are the codes in use. A program makes one Codes.
type Codes struct {
	mu    sync.Mutex
	known map[shape]*code
}

// shape is the number of data and parity packets in a group.
type shape struct{ data, parity int }

func (s shape) total() int { return s.data + s.parity }

// off tells whether a group of this shape carries no parity.
func (s shape) off() bool { return s.data <= 0 || s.parity <= 0 }

// possible tells whether groups of this shape, with parity, can exist.
func (s shape) possible() bool { return !s.off() && s.data < MaxShards && s.parity <= MaxShards-s.data }

// Check returns an error if groups of this shape cannot exist.
func Check(data, parity int) error {
	s := shape{data, parity}
	if data < 0 || parity < 0 || !s.off() && !s.possible() {
		return fmt.Errorf("groups of %d packets and %d of parity: there may be %d together", data, parity, MaxShards)
	}
	return nil
}

// get returns the code of a shape, making it if necessary. It is nil if the shape is
// impossible. Shapes come from peers, all of which share the lock, so making a code must
// cost next to nothing.
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
	if c.known == nil || len(c.known) >= cachedCodes { // the map must not grow without limit
		c.known = make(map[shape]*code)
	}
	c.known[s] = fresh
	return fresh
}

// code does the arithmetic of one shape, for any number of peers at once.
type code struct {
	shape
	coder func() reedsolomon.Encoder // makes parity; nil if the library refuses the shape
	slabs sync.Pool
	end   uint32 // all sequence numbers are below it, so that groups are whole
}

func newCode(s shape) *code {
	if !s.possible() {
		return nil
	}
	c := &code{shape: s, end: math.MaxUint32 / uint32(s.total()) * uint32(s.total())}
	// The matrix takes up to 55 ms to make. Restoring does not need it, so it is made only
	// for the shape that we send, which comes from the settings.
	c.coder = sync.OnceValue(s.coder)
	c.slabs.New = func() any { return newSlab(s.total()) }
	return c
}

// coder makes the encoder for parity.
func (s shape) coder() reedsolomon.Encoder {
	// Packets are too short to be divided among goroutines.
	rs, err := reedsolomon.New(s.data, s.parity, reedsolomon.WithMaxGoroutines(1), reedsolomon.WithInversionCache(false))
	if err != nil {
		return nil
	}
	return rs
}

func (c *code) slab() *slab { return c.slabs.Get().(*slab) }

// free releases a slab.
func (c *code) free(s *slab) {
	clear(s.shards)
	c.slabs.Put(s)
}

// slab is space for the packets of a group. For each packet that is present, shards holds
// the part that parity covers.
type slab struct {
	buf    []byte
	shards [][]byte
}

func newSlab(packets int) *slab {
	return &slab{buf: make([]byte, packets*stride), shards: make([][]byte, packets)}
}

// packet is the space for packet i, header included. What parity covers begins at a multiple
// of vector, and has room up to the next.
func (s *slab) packet(i int) []byte { return s.buf[i*stride+lead:][: MaxPacket : stride-lead] }

// fill pads shard i with zeros to a size.
func (s *slab) fill(i, size int) {
	n := len(s.shards[i])
	s.shards[i] = s.shards[i][:size]
	clear(s.shards[i][n:])
}

func putHeader(p []byte, seq uint32, kind uint16) {
	binary.LittleEndian.PutUint32(p, seq)
	binary.LittleEndian.PutUint16(p[kindOffset:], kind)
}
