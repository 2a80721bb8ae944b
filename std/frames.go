package std

import (
	"encoding/binary"
	"net"
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
}

// frameConn is the connection that smux is given. It lets frames of ours in
// between smux's own and sees the frames that arrive. It is the seam for a hello
// in NOP frames, too.
type frameConn struct {
	net.Conn
	version byte
	events  frameEvents

	out *gatherer

	// Only smux's reader uses these two.
	head []byte // an incomplete header, with the body of an UPD frame
	body int    // bytes of the present frame still to come
}

func newFrameConn(conn net.Conn, segment int, version byte, events frameEvents, before func()) *frameConn {
	return &frameConn{Conn: conn, version: version, events: events, out: newGatherer(conn, segment, before), head: make([]byte, 0, frameHeader+updateBytes)}
}

// WriteBuffers takes one frame of smux's, header and data. A FIN that we have
// sent ourselves is not sent again.
func (c *frameConn) WriteBuffers(v [][]byte) (int, error) {
	head, data := v[0], v[1]
	if head[1] != frameFIN || !c.events.sentFIN(binary.LittleEndian.Uint32(head[4:])) {
		if err := c.out.write(head, data); err != nil {
			return 0, err
		}
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
func (c *frameConn) writeFIN(stream uint32) error {
	head := c.header(frameFIN, stream, 0)
	return c.out.write(head[:], nil)
}

// writeNOP writes a frame that says nothing; its packet carries the window.
func (c *frameConn) writeNOP() error {
	head := c.header(frameNOP, 0, 0)
	return c.out.write(head[:], nil)
}

// writePSH writes data for a stream, at most 65535 bytes.
func (c *frameConn) writePSH(stream uint32, data []byte) error {
	head := c.header(framePSH, stream, len(data))
	return c.out.write(head[:], data)
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
