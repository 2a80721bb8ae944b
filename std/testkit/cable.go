package testkit

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Cable forwards UDP to a server and back, always from the same port, to whoever
// sent last: a NAT that gives a port to one client after the other. While Cut is set
// all is lost, and each datagram whose number is a multiple of Lose, unless that is 0.
type Cable struct {
	Cut    atomic.Bool
	Lose   atomic.Uint64
	number atomic.Uint64 // of datagrams, both ways

	front  *net.UDPConn
	back   atomic.Pointer[net.UDPConn]
	client atomic.Pointer[net.UDPAddr]
	server *net.UDPAddr
	pumps  sync.WaitGroup
}

// NewCable forwards to server until the test ends.
func NewCable(t testing.TB, server net.Addr) *Cable {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cable{front: front, server: server.(*net.UDPAddr)}
	c.Rebind(t)
	c.pumps.Go(func() {
		c.pass(front, func(b []byte, from *net.UDPAddr) {
			c.client.Store(from)
			_, _ = c.back.Load().Write(b)
		})
	})
	t.Cleanup(func() { front.Close(); c.back.Load().Close(); c.pumps.Wait() })
	return c
}

// Rebind gives the client another port, as a NAT does that has forgotten it. What is on its
// way to the former one is lost.
func (c *Cable) Rebind(t testing.TB) {
	t.Helper()
	back, err := net.DialUDP("udp4", nil, c.server)
	if err != nil {
		t.Fatal(err)
	}
	if former := c.back.Swap(back); former != nil {
		former.Close()
	}
	c.pumps.Go(func() {
		c.pass(back, func(b []byte, _ *net.UDPAddr) { _, _ = c.front.WriteToUDP(b, c.client.Load()) })
	})
}

// Addr is what to send to instead of the server.
func (c *Cable) Addr() *net.UDPAddr { return c.front.LocalAddr().(*net.UDPAddr) }

func (c *Cable) pass(from *net.UDPConn, to func([]byte, *net.UDPAddr)) {
	buf := make([]byte, 2000)
	for {
		n, addr, err := from.ReadFromUDP(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // refused: nobody is there now
		}
		if !c.loses() {
			to(buf[:n], addr)
		}
	}
}

// loses tells whether the next datagram is lost.
func (c *Cable) loses() bool {
	lose, number := c.Lose.Load(), c.number.Add(1)
	return c.Cut.Load() || lose > 0 && number%lose == 0
}
