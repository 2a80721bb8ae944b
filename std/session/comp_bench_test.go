package session

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// benchConn is a connection in memory: what is written is gone, and reading
// gives the same bytes over and over.
type benchConn struct {
	net.Conn // nil: only what is below is used
	data     []byte
	at       int
}

func (c *benchConn) Write(p []byte) (int, error) { return len(p), nil }

func (c *benchConn) WriteBuffers(v [][]byte) (n int, err error) {
	for _, p := range v {
		n += len(p)
	}
	return n, nil
}

func (c *benchConn) Read(p []byte) (int, error) {
	n := copy(p, c.data[c.at:])
	c.at = (c.at + n) % len(c.data)
	return n, nil
}

// benchPayloads are data that snappy can and cannot make smaller.
func benchPayloads(size int) map[string][]byte {
	random := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(random)
	line := []byte("GET /index.html HTTP/1.1\r\nHost: example.org\r\nAccept: text/html\r\n\r\n")
	text := bytes.Repeat(line, size/len(line)+1)[:size]
	return map[string][]byte{"random": random, "text": text}
}

// benchFrame is the smux frame by default.
const benchFrame = 8 << 10

func BenchmarkCompress(b *testing.B) {
	for name, data := range benchPayloads(benchFrame) {
		b.Run(name, func(b *testing.B) {
			c := NewCompStream(new(benchConn))
			b.SetBytes(benchFrame)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchRecorder keeps what is written.
type benchRecorder struct {
	net.Conn
	bytes.Buffer
}

func (r *benchRecorder) Read(p []byte) (int, error)  { return r.Buffer.Read(p) }
func (r *benchRecorder) Write(p []byte) (int, error) { return r.Buffer.Write(p) }

func BenchmarkDecompress(b *testing.B) {
	for name, data := range benchPayloads(benchFrame) {
		b.Run(name, func(b *testing.B) {
			var rec benchRecorder
			if _, err := NewCompStream(&rec).Write(data); err != nil {
				b.Fatal(err)
			}
			// The stream may begin again: its head is a chunk that is skipped.
			c := NewCompStream(&benchConn{data: rec.Bytes()})
			got := make([]byte, benchFrame)
			b.SetBytes(benchFrame)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.ReadFull(c, got); err != nil {
					b.Fatal(err)
				}
			}
			if !bytes.Equal(got, data) {
				b.Fatal("other data")
			}
		})
	}
}
