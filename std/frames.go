package std

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
)

// The smux frame: version u8, command u8, length u16, stream id u32; little
// endian.
const (
	frameHeader = 8
	frameSYN    = 0
	frameFIN    = 1
)

// frameConn is the connection that smux is given. It lets a frame of ours in
// between smux's own and sees the headers of the frames that arrive. It is the
// seam for a hello in NOP frames, too.
type frameConn struct {
	net.Conn
	version byte
	seen    func(command byte, stream uint32) // told of SYN and FIN before smux is

	write sync.Mutex // smux writes whole frames, one a call
	batch buffersWriter

	// Only smux's reader uses these two.
	head []byte // an incomplete header
	body int    // bytes of the present frame still to come
}

type buffersWriter interface {
	WriteBuffers(v [][]byte) (int, error)
}

func newFrameConn(conn net.Conn, version byte, seen func(byte, uint32)) *frameConn {
	return &frameConn{Conn: conn, version: version, seen: seen, batch: gatherer(conn), head: make([]byte, 0, frameHeader)}
}

// gatherer returns what writes several buffers to conn as one.
func gatherer(conn net.Conn) buffersWriter {
	if bw, ok := conn.(buffersWriter); ok {
		return bw
	}
	return plainBuffers{conn}
}

// plainBuffers joins what it writes, so that a frame stays one Write.
type plainBuffers struct{ net.Conn }

func (p plainBuffers) WriteBuffers(v [][]byte) (int, error) { return p.Write(bytes.Join(v, nil)) }

// WriteBuffers writes one frame of smux's.
func (c *frameConn) WriteBuffers(v [][]byte) (int, error) {
	c.write.Lock()
	defer c.write.Unlock()
	return c.batch.WriteBuffers(v)
}

// writeFIN writes a FIN frame for a stream.
func (c *frameConn) writeFIN(stream uint32) error {
	frame := make([]byte, frameHeader)
	frame[0], frame[1] = c.version, frameFIN
	binary.LittleEndian.PutUint32(frame[4:], stream)
	_, err := c.WriteBuffers([][]byte{frame})
	return err
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
		take := min(frameHeader-len(c.head), len(b))
		c.head = append(c.head, b[:take]...)
		b = b[take:]
		if len(c.head) == frameHeader {
			c.body = int(binary.LittleEndian.Uint16(c.head[2:]))
			if c.head[1] == frameSYN || c.head[1] == frameFIN {
				c.seen(c.head[1], binary.LittleEndian.Uint32(c.head[4:]))
			}
			c.head = c.head[:0]
		}
	}
}
