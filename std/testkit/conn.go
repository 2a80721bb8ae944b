package testkit

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TCPPair returns the two ends of a TCP connection.
func TCPPair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	x, y := pairOver(t, "tcp", "127.0.0.1:0")
	return x.(*net.TCPConn), y.(*net.TCPConn)
}

// UnixPair returns the two ends of a connection over a unix socket.
func UnixPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	return pairOver(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func pairOver(t testing.TB, network, addr string) (a, b net.Conn) {
	t.Helper()
	lis, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	if a, err = net.Dial(network, lis.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = lis.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// Deadline sets a deadline on everything that the test does with conn.
func Deadline[C net.Conn](t testing.TB, conn C) C {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Buffered is an in-memory buffer with a Close method.
type Buffered struct{ bytes.Buffer }

// Close does nothing.
func (*Buffered) Close() error { return nil }

// All describes everything that a reader returned, with a hash of it.
type All struct {
	N   int64
	Sum [32]byte
	Err error
}

// SumOf is the All of b, read without an error.
func SumOf(b []byte) All { return All{N: int64(len(b)), Sum: sha256.Sum256(b)} }

// Gather reads r to its end.
func Gather(r io.Reader) <-chan All {
	c := make(chan All, 1)
	go func() {
		h := sha256.New()
		n, err := io.Copy(h, struct{ io.Reader }{r})
		c <- All{N: n, Sum: [32]byte(h.Sum(nil)), Err: err}
	}()
	return c
}
