package session

import (
	"bytes"
	"net"

	"github.com/golang/snappy"
)

// CompStream is a connection whose bytes are compressed by snappy's framing
// format, one snappy stream in each direction.
type CompStream struct {
	net.Conn
	w   *snappy.Writer
	r   *snappy.Reader
	out bytes.Buffer // the output of one Write, sent in one Write
}

// NewCompStream wraps conn. Both ends must do so.
func NewCompStream(conn net.Conn) *CompStream {
	c := &CompStream{Conn: conn, r: snappy.NewReader(conn)}
	c.w = snappy.NewBufferedWriter(&c.out)
	return c
}

// Read reads decompressed bytes.
func (c *CompStream) Read(p []byte) (int, error) { return c.r.Read(p) }

// Write compresses p and sends it at once. It is not safe for concurrent use, but the mux
// has only one writer.
func (c *CompStream) Write(p []byte) (int, error) { return c.WriteBuffers([][]byte{p}) }

// WriteBuffers compresses all of v and sends it in one Write: snappy on its own writes the
// header and the body of a chunk separately, and KCP would send them as two segments.
func (c *CompStream) WriteBuffers(v [][]byte) (int, error) {
	n := 0
	for _, p := range v {
		m, err := c.w.Write(p)
		n += m
		if err != nil {
			return n, err
		}
	}
	if err := c.w.Flush(); err != nil {
		return n, err
	}
	defer c.out.Reset()
	if _, err := c.Conn.Write(c.out.Bytes()); err != nil {
		return 0, err
	}
	return n, nil
}
