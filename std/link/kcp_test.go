package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/testkit"
)

// udpConns are a dialled and a listening link on loopback.
func udpConns(t testing.TB, opt Options, host string) (client, server *Conn) {
	t.Helper()
	server, err := Listen(context.Background(), opt, net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, err = Dial(context.Background(), opt, server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, server
}

func tune(k *kcp.UDPSession, l *Conn) {
	//lint:ignore SA1019 stream mode is what the wire has, and kcp-go has no other call for it
	k.SetStreamMode(true)
	k.SetWriteDelay(false)
	k.SetNoDelay(1, 10, 2, 1)
	k.SetWindowSize(256, 256)
	k.SetMtu(1350 - l.Overhead())
	_ = k.SetDeadline(time.Now().Add(3 * testkit.Patience)) // a machine may be busy
}

// sessions starts kcp-go at both ends of a pair of links. A first byte has gone
// from the client to the server when it returns.
func sessions(t testing.TB, client, server *Conn) (c, s *kcp.UDPSession) {
	t.Helper()
	listener, err := kcp.ServeConn(nil, 0, 0, server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return dialSession(t, client, listener)
}

func dialSession(t testing.TB, client *Conn, listener *kcp.Listener) (c, s *kcp.UDPSession) {
	t.Helper()
	return openSession(t, client, func() *kcp.UDPSession {
		_ = listener.SetDeadline(time.Now().Add(testkit.Patience))
		k, err := listener.AcceptKCP()
		if err != nil {
			t.Fatal(err)
		}
		return k
	})
}

// acceptOne has kcp-go accept one session at one lane of a link, of which another may be
// accepted at another lane.
func acceptOne(t testing.TB, lane net.PacketConn, accepted chan<- *kcp.UDPSession) {
	t.Helper()
	listener, err := kcp.ServeConn(nil, 0, 0, lane)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		if k, err := listener.AcceptKCP(); err == nil {
			accepted <- k
		}
	}()
}

// openSession is what sessions does, with a session at the server that accept returns.
func openSession(t testing.TB, client *Conn, accept func() *kcp.UDPSession) (c, s *kcp.UDPSession) {
	t.Helper()
	c, err := kcp.NewConn4(rand.Uint32(), client.Peer(), nil, 0, 0, false, client)
	if err != nil {
		t.Fatal(err)
	}
	tune(c, client)
	if _, err := c.Write([]byte{'!'}); err != nil {
		t.Fatal(err)
	}
	s = accept()
	t.Cleanup(func() {
		c.Close() // first: what it still sends would make a new session at the other end
		s.Close()
	})
	tune(s, client)
	if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c, s
}

// exchange moves size bytes each way at once and compares the hashes.
func exchange(t testing.TB, a, b io.ReadWriter, size int) {
	t.Helper()
	failed := make(chan error, 4)
	carry := func(from io.Writer, to io.Reader, data []byte) {
		go func() {
			_, err := io.Copy(from, bytes.NewReader(data))
			failed <- err
		}()
		go func() {
			hash := sha256.New()
			_, err := io.CopyN(hash, to, int64(len(data)))
			if want := sha256.Sum256(data); err == nil && !bytes.Equal(hash.Sum(nil), want[:]) {
				err = errors.New("what arrived is not what was sent")
			}
			failed <- err
		}()
	}
	carry(a, b, testkit.RandomBytes(1, size))
	carry(b, a, testkit.RandomBytes(2, size))
	for range 4 {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
}
