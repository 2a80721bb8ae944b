package rawtcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/notice"
)

// flowSweep is how often a listener looks for expired flows.
const flowSweep = 5 * time.Second

// Listen opens a carrier for any number of peers on local, a host:port. An empty host or
// [::] accepts IPv4 and IPv6, 0.0.0.0 only IPv4.
func Listen(ctx context.Context, opt carrier.Options, local string) (_ *Conn, err error) {
	c := newConn(opt)
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	lis, err := lc.Listen(ctx, listenNetwork(local), local)
	if err != nil {
		return nil, err
	}
	c.listener = lis.(*net.TCPListener)
	c.local = lis.Addr()
	at := carrier.Unmap(c.local.(*net.TCPAddr).AddrPort())
	if at.Addr().Is4() {
		err = c.serve(ctx, false, at)
	} else if !at.Addr().IsUnspecified() {
		err = c.serve(ctx, true, at)
	} else {
		err = c.serve(ctx, false, at)
		// Containers often lack the IPv6 tables, and do not need them.
		if err6 := c.serve(ctx, true, at); err6 != nil && err == nil {
			opt.Log.Warn("the imitation of TCP is served over IPv4 alone", "err", err6)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, s := range c.socks {
		c.capture(s)
	}
	c.wait.Go(c.accept)
	c.wait.Go(c.expire)
	return c, nil
}

// listenNetwork chooses the network as Listen does for UDP: 0.0.0.0 means IPv4 only.
func listenNetwork(local string) string {
	if host, _, err := net.SplitHostPort(local); err == nil {
		if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
			return "tcp4"
		}
	}
	return "tcp"
}

// serve adds a family: the rule, once the listener exists and so shows that the rule is not
// stale, and a raw socket. For an unspecified address the raw socket is not bound, so that
// it also serves addresses that the machine gets later.
func (c *Conn) serve(ctx context.Context, ipv6 bool, at netip.AddrPort) error {
	r := serverRule(ipv6, at.Port())
	if err := r.add(ctx); err != nil {
		return err
	}
	c.rules = append(c.rules, r)
	s, err := c.open(ipv6)
	if err != nil {
		return err
	}
	if !at.Addr().IsUnspecified() {
		if err := s.bind(at.Addr(), carrier.ScopeOf(at.Addr())); err != nil {
			return err
		}
	}
	return s.filter(0, at.Port())
}

// accept accepts connections until the listener is closed.
func (c *Conn) accept() {
	var trouble notice.Recurring
	for {
		conn, err := c.listener.AcceptTCP()
		failed := err != nil
		if !failed {
			err = c.adopt(conn)
		}
		if errors.Is(err, net.ErrClosed) || c.isClosed() {
			return
		}
		if err == nil {
			continue
		}
		if !failed {
			c.opt.FlowsRefused.Add(1)
		}
		if times, due := trouble.Due(); due {
			c.opt.Log.Warn("accepting a connection of the imitation of TCP failed, going on", "err", err, "times", times)
		}
		if !failed {
			continue // one client was refused, and no other should wait because of it
		}
		select { // mostly too many open files, which takes a while to clear
		case <-time.After(50 * time.Millisecond):
		case <-c.done:
			return
		}
	}
}

// adopt makes a flow of an accepted connection.
func (c *Conn) adopt(conn *net.TCPConn) error {
	ipv6 := carrier.Unmap(conn.RemoteAddr().(*net.TCPAddr).AddrPort()).Addr().Is6()
	for _, s := range c.socks {
		if s.ipv6 != ipv6 {
			continue
		}
		f, err := newFlow(conn, s)
		if err == nil {
			var dropped int
			dropped, err = c.flows.add(f, clock.Now())
			c.opt.FlowsRefused.Add(uint64(dropped))
		}
		if err != nil {
			release(conn, ipv6)
			return err
		}
		if found := c.early.claim(f, clock.Now()); len(found) > 0 {
			c.give(harvest{found: found})
		}
		return nil
	}
	conn.Close()
	return errors.New("no raw socket of its family")
}

// expire closes silent flows until the carrier is closed.
func (c *Conn) expire() {
	tick := time.NewTicker(flowSweep)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.flows.sweep(clock.Now())
		case <-c.done:
			return
		}
	}
}

// unprovenLimit leaves most descriptors to sessions and their targets. It is the limit of one
// port of several.
func unprovenLimit(ports int) int {
	limit := uint64(maxUnproven / 8)
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) == nil {
		limit = min(maxUnproven, r.Cur/8)
	}
	return max(leastUnproven, int(limit)/max(1, ports))
}
