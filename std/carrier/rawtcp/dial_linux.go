package rawtcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/clock"
)

// Time limits of a dial: for the kernel's handshake, and for the raw socket to deliver the
// peer's answer, which reaches its queue before it reaches the kernel's TCP.
const (
	handshakeWait = 10 * time.Second
	captureWait   = time.Second
)

// Dial opens a carrier to one peer. It requires root, or CAP_NET_RAW and CAP_NET_ADMIN.
func Dial(ctx context.Context, opt carrier.Options, peer netip.AddrPort) (_ *Conn, err error) {
	c := newConn(opt)
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	sock, err := c.open(peer.Addr().Is6())
	if err != nil {
		return nil, err
	}
	local, scope, err := sock.bindToward(peer.Addr(), carrier.ScopeOf(peer.Addr()))
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w", peer, err)
	}
	conn, err := dialKernel(ctx, sock, local, scope, peer)
	if err != nil {
		return nil, err
	}
	f, err := newFlow(conn, sock)
	if err == nil {
		_, err = c.flows.add(f, clock.Now())
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("silencing the kernel's connection: %w", err)
	}
	f.peer = peer // as the caller wrote it
	c.local = conn.LocalAddr()
	// The rule must not come before the connection, or another process might consider it
	// stale. Nothing leaks meanwhile, because the connection is silent.
	r := clientRule(f.local, f.remote)
	if err := r.add(ctx); err != nil {
		return nil, err
	}
	c.rules = append(c.rules, r)
	if err := c.awaitHandshake(sock, f); err != nil {
		return nil, err
	}
	c.capture(sock)
	return c, nil
}

// dialKernel makes the kernel's connection. The port is chosen before connecting, so that
// the raw socket, whose queue then receives only this connection, cannot miss the answer.
func dialKernel(ctx context.Context, sock *rawSocket, local netip.Addr, scope uint32, peer netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: handshakeWait, KeepAlive: -1}
	d.SetMultipathTCP(false)
	d.ControlContext = func(_ context.Context, _, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			if failed = unix.Bind(int(fd), sockaddr(netip.AddrPortFrom(local, 0), scope)); failed != nil {
				return
			}
			var name netip.AddrPort
			if name, _, failed = socketName(int(fd)); failed == nil {
				failed = sock.filter(peer.Port(), name.Port())
			}
		})
		return errors.Join(err, failed)
	}
	network := "tcp4"
	if peer.Addr().Is6() {
		network = "tcp6"
	}
	conn, err := d.DialContext(ctx, network, peer.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// awaitHandshake reads the raw socket until it has seen the answer of the handshake.
// Without it nothing can be sent.
func (c *Conn) awaitHandshake(sock *rawSocket, f *flow) error {
	if err := sock.file.SetReadDeadline(time.Now().Add(captureWait)); err != nil {
		return err
	}
	for !f.isKnown() {
		b, err := sock.read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the raw socket does not show what %s answers: is there a filter (XDP, a firewall) before it?", f.peer)
		}
		if err != nil {
			return err
		}
		c.examine(sock, b)
		b.giveBack()
	}
	return sock.file.SetReadDeadline(time.Time{})
}
