package testkit

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Cable forwards UDP to a server and back, always from the same port, to whoever sent last,
// like a NAT that gives one port to several clients in turn. While Cut is set, everything
// is lost; otherwise each datagram whose number is a multiple of Lose is lost, unless Lose
// is 0.
type Cable struct {
	Cut    atomic.Bool
	Lose   atomic.Uint64
	number atomic.Uint64 // of datagrams, counted both ways

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

// Rebind moves the client to another port, as a NAT does that has lost its mapping.
// Whatever is in flight to the previous port is lost.
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

// Addr is the address to use instead of the server's.
func (c *Cable) Addr() *net.UDPAddr { return c.front.LocalAddr().(*net.UDPAddr) }

func (c *Cable) pass(from *net.UDPConn, to func([]byte, *net.UDPAddr)) {
	buf := make([]byte, 2000)
	for {
		n, addr, err := from.ReadFromUDP(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // refused: nobody is there at the moment
		}
		if !c.loses() {
			to(buf[:n], addr)
		}
	}
}

// loses tells whether to drop the next datagram.
func (c *Cable) loses() bool {
	lose, number := c.Lose.Load(), c.number.Add(1)
	return c.Cut.Load() || lose > 0 && number%lose == 0
}
