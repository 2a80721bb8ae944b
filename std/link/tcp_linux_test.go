package link

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"
	"github.com/xtaci/tcpraw"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// stock is tcpraw under kcp-go. It does what stock programs do not: it gives kcp-go the
// kind of address that it compares with.
type stock struct {
	conn *tcpraw.TCPConn
}

func (s stock) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.conn.ReadFrom(b)
	if err != nil {
		return 0, nil, err
	}
	return n, (*net.UDPAddr)(from.(*net.TCPAddr)), nil
}

func (s stock) WriteTo(b []byte, to net.Addr) (int, error) {
	return s.conn.WriteTo(b, (*net.TCPAddr)(to.(*net.UDPAddr)))
}

func (s stock) Close() error                     { return s.conn.Close() }
func (s stock) LocalAddr() net.Addr              { return s.conn.LocalAddr() }
func (s stock) SetDeadline(time.Time) error      { return nil }
func (s stock) SetReadDeadline(time.Time) error  { return nil }
func (s stock) SetWriteDeadline(time.Time) error { return nil }

// serveKCP is a listener of kcp-go, over our carrier or over tcpraw.
func (l *tcpLab) serveKCP(ours bool, local string) *kcp.Listener {
	l.T.Helper()
	var pc net.PacketConn
	if ours {
		opt, _ := options(crypt.Plain{})
		pc = l.listen(opt, local)
	} else {
		pc = l.stock(l.Server, func() (*tcpraw.TCPConn, error) { return tcpraw.Listen("tcp", local) })
	}
	listener, err := kcp.ServeConn(nil, 0, 0, pc)
	if err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { listener.Close() })
	return listener
}

func (l *tcpLab) stock(ns string, open func() (*tcpraw.TCPConn, error)) stock {
	l.T.Helper()
	var s stock
	if err := l.In(ns, func() (err error) { s.conn, err = open(); return err }); err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { l.Close(ns, s.Close) })
	return s
}

// dialKCP is a session of kcp-go and its other end.
func (l *tcpLab) dialKCP(ours bool, remote string, listener *kcp.Listener) (client, server *kcp.UDPSession) {
	l.T.Helper()
	if ours {
		opt, _ := options(crypt.Plain{})
		return dialSession(l.T, l.dial(opt, remote), listener)
	}
	s := l.stock(l.Client, func() (*tcpraw.TCPConn, error) { return tcpraw.Dial("tcp", remote) })
	client, err := kcp.NewConn4(7, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(remote)), nil, 0, 0, false, s)
	if err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { client.Close() })
	tune(client, &Conn{opt: Options{Sealer: crypt.Plain{}}})
	if _, err := client.Write([]byte{'!'}); err != nil {
		l.T.Fatal(err)
	}
	_ = listener.SetDeadline(time.Now().Add(testkit.Patience))
	server, err = listener.AcceptKCP()
	if err != nil {
		l.T.Fatal(err)
	}
	tune(server, &Conn{opt: Options{Sealer: crypt.Plain{}}})
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		l.T.Fatal(err)
	}
	return client, server
}

var labFamilies = []struct{ name, server, other, wildcard string }{
	{"IPv4", netns.Server4, netns.Other4, "0.0.0.0"},
	{"IPv6", netns.Server6, netns.Other6, "::"},
}

// TestTCPWithTCPRaw has each end against each other one.
func TestTCPWithTCPRaw(t *testing.T) {
	l := newTCPLab(t)
	for _, pair := range []struct {
		name                   string
		clientOurs, serverOurs bool
	}{
		{"ours to ours", true, true},
		{"ours to tcpraw", true, false},
		{"tcpraw to ours", false, true},
	} {
		for _, f := range labFamilies {
			for _, local := range []string{f.server, ""} {
				t.Run(pair.name+" "+f.name+" at "+local, func(t *testing.T) {
					l := &tcpLab{&netns.Firewalled{Lab: l.As(t)}}
					listener := l.serveKCP(pair.serverOurs, net.JoinHostPort(local, labPort))
					client, server := l.dialKCP(pair.clientOurs, net.JoinHostPort(f.server, labPort), listener)
					exchange(t, client, server, 1<<20)
				})
			}
		}
	}
	for _, ns := range []string{l.Server, l.Client} {
		if rules := l.Rules(ns); len(rules) != 0 {
			t.Errorf("rules left in %s: %q", ns, rules)
		}
	}
}

func TestTCPSurvivesLoss(t *testing.T) {
	l := newTCPLab(t)
	l.Lose(l.Server, "0.05")
	l.Lose(l.Client, "0.05")
	listener := l.serveKCP(true, ":"+labPort)
	for _, f := range labFamilies {
		client, server := l.dialKCP(true, net.JoinHostPort(f.server, labPort), listener)
		exchange(t, client, server, 1<<20)
	}
}

// TestTCPServesClients also shows that a server with several addresses, whose
// raw socket is bound to none, answers from the one that was asked.
func TestTCPServesClients(t *testing.T) {
	l := newTCPLab(t)
	listener := l.serveKCP(true, ":"+labPort)
	var wg sync.WaitGroup
	for _, f := range labFamilies {
		for _, host := range []string{f.server, f.other, f.server, f.other} {
			remote := net.JoinHostPort(host, labPort)
			client, server := l.dialKCP(true, remote, listener)
			if client.RemoteAddr().String() != remote {
				t.Errorf("a session with %v instead of %s", client.RemoteAddr(), remote)
			}
			wg.Go(func() { exchange(t, client, server, 1<<18) })
		}
	}
	wg.Wait()
	// An address that the machine gets later is served, too.
	l.Run("ip -n " + l.Server + " addr add 192.0.2.3/24 dev w0")
	client, server := l.dialKCP(true, "192.0.2.3:"+labPort, listener)
	exchange(t, client, server, 1<<18)
}

func TestTCPMarksBothFamilies(t *testing.T) {
	l := newTCPLab(t)
	opt, _ := options(crypt.Plain{})
	opt.DSCP, opt.Buffer = 46, 1<<20
	for _, rule := range []string{"iptables -m dscp --dscp 46", "ip6tables -m dscp --dscp 46"} {
		program, match, _ := strings.Cut(rule, " ")
		l.Run("ip netns exec " + l.Client + " " + program + " -w -A OUTPUT -p tcp --tcp-flags PSH PSH " + match + " -j ACCEPT")
		l.Run("ip netns exec " + l.Client + " " + program + " -w -A OUTPUT -p tcp --tcp-flags PSH PSH -j DROP")
	}
	listener := l.serveKCP(true, ":"+labPort)
	for _, f := range labFamilies {
		c := l.dial(opt, net.JoinHostPort(f.server, labPort))
		client, server := dialSession(t, c, listener)
		exchange(t, client, server, 1<<10)
		if c.Advice() != "" {
			t.Errorf("%s: root was not given its buffers: %s", f.name, c.Advice())
		}
	}
}

// Somebody who makes a connection of his own, and has a copy of a client's packet arrive there
// first, draws no session to it. Over UDP a session follows its client; here it used to, too.
func TestTCPSessionStaysAtItsConnection(t *testing.T) {
	l := newTCPLab(t)
	opt, _ := options(crypt.Plain{})
	server := l.listen(opt, ":"+labPort)
	var ends [2]*Conn
	for i := range ends {
		ends[i] = l.dial(opt, net.JoinHostPort(netns.Server4, labPort))
		ends[i].Peer().shift.Store(0)
	}
	client, other := ends[0], ends[1]
	write := func(c *Conn, packet []byte) {
		t.Helper()
		if _, err := c.WriteTo(packet, c.Peer()); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (from *Peer) {
		t.Helper()
		testkit.Returns(t, "a packet", func() {
			_, addr, err := server.ReadFrom(make([]byte, MaxDatagram))
			if from, _ = addr.(*Peer); err != nil {
				t.Error(err)
			}
		})
		return from
	}
	write(client, seg(7, 81, 0, 0, "data"))
	p := read()
	p.sent(parsed(ofServer(seg(7, 81, 0, 1, "data"))))
	write(client, ofServer(seg(7, 82, 0, 1, "")))
	read()
	write(other, seg(8, 81, 0, 0, "its own"))
	q := read()
	write(other, seg(7, 81, 1, 1, "a copy"))
	write(other, seg(8, 81, 1, 0, "its own"))
	if from := read(); from != q || p.addr() == q.addr() || opt.Stats.Moved.Load() != 0 {
		t.Errorf("the next is of %v, and the session is at %v", from, p.addr())
	}
}
