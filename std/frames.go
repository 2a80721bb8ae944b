package std

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
)

// The smux frame: version u8, command u8, length u16, stream id u32; little
// endian.
const (
	frameHeader = 8
	frameSYN    = 0
	frameFIN    = 1
	framePSH    = 2
	frameNOP    = 3
	frameUPD    = 4
	updateBytes = 8 // in a UPD frame of smux 2: bytes consumed u32, window u32
)

// frameEvents are told of frames of the peer before smux sees them, and asked
// about ours.
type frameEvents interface {
	sawSYN(stream uint32)
	sawFIN(stream uint32)
	sawUPD(stream, consumed, window uint32)
	// sentFIN tells whether a FIN of ours was sent for the stream.
	sentFIN(stream uint32) bool
	// firstUPD tells, once for each open stream, that this is its first UPD of ours.
	firstUPD(stream uint32) bool
}

// maxFrames is how many frames of data are made at once, and maxWrite the most
// bytes of them: what a relay reads at once, in frames of the default size.
const (
	maxFrames = 16
	maxWrite  = copyBuffer + maxFrames*frameHeader
)

// lateUpdate bounds the data in bytes that may arrive after the first window update
// of a stream was held back, before it is sent. The peer has firstWindow without it.
const lateUpdate = firstWindow / 16

// frameConn is the connection that smux is given. It lets frames of ours in
// between smux's own and sees the frames that arrive. It is the seam for a hello
// in NOP frames, too.
type frameConn struct {
	net.Conn
	version byte
	events  frameEvents

	out  *gatherer
	late atomic.Bool // a window update is held back

	// Only smux's reader uses these.
	head    []byte // an incomplete header, with the body of an UPD frame
	body    int    // bytes of the present frame still to come
	arrived int    // bytes of data since the last look at late
}

func newFrameConn(conn net.Conn, segment int, version byte, events frameEvents, before func()) *frameConn {
	return &frameConn{Conn: conn, version: version, events: events, out: newGatherer(conn, segment, before), head: make([]byte, 0, frameHeader+updateBytes)}
}

// WriteBuffers takes one frame of smux's, header and data. A FIN that we have
// sent ourselves is not sent again. Two kinds are held back, to travel with what
// follows: a SYN, as the stream's owner flushes or writes at once, and the first
// window update of a stream, which most streams end without needing.
func (c *frameConn) WriteBuffers(v [][]byte) (int, error) {
	head, data := v[0], v[1]
	hold := false
	switch stream := binary.LittleEndian.Uint32(head[4:]); head[1] {
	case frameFIN:
		if c.events.sentFIN(stream) {
			return len(head) + len(data), nil
		}
	case frameSYN:
		hold = true
	case frameUPD:
		if hold = c.events.firstUPD(stream); hold {
			c.late.Store(true)
		}
	}
	if err := c.out.write(v, hold); err != nil {
		return 0, err
	}
	return len(head) + len(data), nil
}

// Close closes the connection and ends the writing to it.
func (c *frameConn) Close() error {
	err := c.Conn.Close()
	c.out.close()
	return err
}

// writeFIN writes a FIN frame for a stream.
func (c *frameConn) writeFIN(stream uint32) error { return c.writeEmpty(frameFIN, stream) }

// writeNOP writes a frame that says nothing; its packet carries the window.
func (c *frameConn) writeNOP() error { return c.writeEmpty(frameNOP, 0) }

func (c *frameConn) writeEmpty(command byte, stream uint32) error {
	head := c.header(command, stream, 0)
	return c.out.write([][]byte{head[:]}, false)
}

// frameVector is room for the frames of one write.
type frameVector struct {
	heads [maxFrames][frameHeader]byte
	v     [2 * maxFrames][]byte
}

var frameVectors = sync.Pool{New: func() any { return new(frameVector) }}

// writeData writes data for a stream in frames of at most size bytes, or holds it
// back until the next write or flush. It takes at most maxFrames frames and
// copyBuffer bytes and returns how many it took.
func (c *frameConn) writeData(stream uint32, data []byte, size int, hold bool) (int, error) {
	f := frameVectors.Get().(*frameVector)
	defer frameVectors.Put(f)
	v, n := f.v[:0], 0
	data = data[:min(len(data), copyBuffer)]
	for i := 0; i < maxFrames && n < len(data); i++ {
		part := data[n:min(n+size, len(data))]
		f.heads[i] = c.header(framePSH, stream, len(part))
		v = append(v, f.heads[i][:], part)
		n += len(part)
	}
	err := c.out.write(v, hold)
	clear(v)
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (c *frameConn) header(command byte, stream uint32, size int) (head [frameHeader]byte) {
	head[0], head[1] = c.version, command
	binary.LittleEndian.PutUint16(head[2:], uint16(size))
	binary.LittleEndian.PutUint32(head[4:], stream)
	return head
}

// Read reads for smux and follows the frames in what it reads.
func (c *frameConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.follow(p[:n])
	return n, err
}

func (c *frameConn) follow(b []byte) {
	for len(b) > 0 {
		if c.body > 0 {
			skip := min(c.body, len(b))
			c.body -= skip
			c.arrived += skip
			b = b[skip:]
			continue
		}
		take := min(c.wanted()-len(c.head), len(b))
		c.head = append(c.head, b[:take]...)
		b = b[take:]
		if len(c.head) == c.wanted() {
			c.frame()
			c.head = c.head[:0]
		}
	}
	if c.arrived >= lateUpdate {
		c.arrived = 0
		if c.late.Swap(false) {
			c.out.rouse()
		}
	}
}

// wanted is how many bytes of a frame are looked at.
func (c *frameConn) wanted() int {
	if len(c.head) >= frameHeader && c.head[1] == frameUPD && binary.LittleEndian.Uint16(c.head[2:]) == updateBytes {
		return frameHeader + updateBytes
	}
	return frameHeader
}

// frame tells of the frame in head.
func (c *frameConn) frame() {
	stream := binary.LittleEndian.Uint32(c.head[4:])
	c.body = int(binary.LittleEndian.Uint16(c.head[2:])) - (len(c.head) - frameHeader)
	switch {
	case c.head[1] == frameSYN:
		c.events.sawSYN(stream)
	case c.head[1] == frameFIN:
		c.events.sawFIN(stream)
	case len(c.head) > frameHeader:
		c.events.sawUPD(stream, binary.LittleEndian.Uint32(c.head[8:]), binary.LittleEndian.Uint32(c.head[12:]))
	}
}
