package fec

import (
	"encoding/binary"
	"time"

	"github.com/klauspost/reedsolomon"
)

// Encoder makes the groups of one conversation. It must be used by one goroutine at a time.
type Encoder struct {
	codes *Codes
	code  *code
	coder reedsolomon.Encoder
	then  shape // of the groups after the current one
	now   func() time.Time

	next uint32    // next sequence number
	n    int       // packets in the group so far
	size int       // the longest shard among them
	last time.Time // when the previous packet was sent, if that may matter
	slab *slab     // the group's packets
}

// continuous is the longest pause before the last packet of a group for which parity is
// still sent. After a longer pause KCP has retransmitted what was lost. The value is
// kcp-go's.
const continuous = 500 * time.Millisecond

// Encoder makes an encoder for groups of data packets with parity packets. It returns nil
// if either number is 0. Check must have accepted them.
func (c *Codes) Encoder(data, parity int) *Encoder {
	e := &Encoder{codes: c, then: shape{data, parity}, now: time.Now}
	if e.change(); e.code == nil {
		return nil
	}
	return e
}

// Change makes groups consist of data packets with parity packets, starting with the next
// group. If such groups are impossible, nothing changes.
func (e *Encoder) Change(data, parity int) {
	if e.then = (shape{data, parity}); e.n == 0 {
		e.change()
	}
}

// change switches to the new shape if one was requested.
func (e *Encoder) change() {
	if e.code != nil && e.code.shape == e.then {
		return
	}
	code := e.codes.get(e.then)
	if code == nil || code.coder() == nil {
		return
	}
	if e.slab != nil {
		e.code.free(e.slab)
		e.slab = nil
	}
	e.code, e.coder = code, code.coder()
	if over := e.next % uint32(code.total()); over != 0 {
		e.next += uint32(code.total()) - over
	}
	e.begin(e.next)
}

// Encode puts a header in front of a packet of at most MaxPacket - Header bytes. It returns
// the packet with its header, and the parity packets to send after it, if any. Both are
// valid until the next call.
func (e *Encoder) Encode(packet []byte) (framed []byte, parity [][]byte) {
	if e.n == 0 {
		e.change()
	}
	if e.slab == nil {
		e.slab = e.code.slab()
	}
	p := e.slab.packet(e.n)
	putHeader(p, e.next, kindData)
	binary.LittleEndian.PutUint16(p[sizeOffset:], uint16(len(packet)+Header-sizeOffset))
	framed = p[:Header+copy(p[Header:], packet)]
	e.slab.shards[e.n] = framed[sizeOffset:]
	e.size = max(e.size, len(framed)-sizeOffset)
	e.next++
	e.n++
	before := e.last
	if e.n >= e.code.data-1 { // only then does the time matter, and reading the clock is not free
		e.last = e.now()
	}
	if e.n < e.code.data {
		return framed, nil
	}
	if e.last.Sub(before) < continuous {
		parity = e.parity()
	}
	e.begin(e.next + uint32(e.code.parity-len(parity)))
	return framed, parity
}

// begin starts a group at a sequence number.
func (e *Encoder) begin(seq uint32) {
	if seq >= e.code.end {
		seq = 0
	}
	e.next, e.n, e.size = seq, 0, 0
}

// parity makes the parity packets of a full group.
func (e *Encoder) parity() [][]byte {
	s, data := e.slab, e.code.data
	size := (e.size + vector - 1) &^ (vector - 1) // the parity of zeros is zeros
	for i := range s.shards {
		if i >= data {
			p := e.slab.packet(i)
			putHeader(p, e.next+uint32(i-data), kindParity)
			s.shards[i] = p[sizeOffset : sizeOffset+size]
			continue
		}
		s.fill(i, size)
	}
	if e.coder.Encode(s.shards) != nil {
		return nil // shards of different sizes: impossible
	}
	parity := s.shards[data:]
	for i := range parity {
		parity[i] = s.packet(data + i)[:sizeOffset+e.size]
	}
	e.next += uint32(len(parity))
	return parity
}

// Restart starts again at sequence number 0, for a new conversation.
func (e *Encoder) Restart() { e.begin(0) }

// Rest releases memory while nothing is sent. An unfinished group ends without parity. By
// the time there is more to send, KCP has retransmitted what was lost of it, and the new
// packets form a group of their own.
func (e *Encoder) Rest() {
	if e.slab == nil {
		return
	}
	e.code.free(e.slab)
	e.slab = nil
	if e.n > 0 {
		e.begin(e.next + uint32(e.code.total()-e.n))
	}
}
