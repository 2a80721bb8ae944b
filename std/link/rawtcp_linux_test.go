package link

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"
	"github.com/xtaci/tcpraw"
	"golang.org/x/sys/unix"
)

// stock is tcpraw under kcp-go. It does what stock programs do not, see
// compat.md: it gives kcp-go the kind of address that it compares with.
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
func (l *rawLab) serveKCP(ours bool, local string) *kcp.Listener {
	l.t.Helper()
	var pc net.PacketConn
	if ours {
		opt, _ := options(Plain{})
		pc = l.listen(opt, local)
	} else {
		pc = l.stock(l.server, func() (*tcpraw.TCPConn, error) { return tcpraw.Listen("tcp", local) })
	}
	listener, err := kcp.ServeConn(nil, 0, 0, pc)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { listener.Close() })
	return listener
}

func (l *rawLab) stock(ns string, open func() (*tcpraw.TCPConn, error)) stock {
	l.t.Helper()
	var s stock
	if err := l.in(ns, func() (err error) { s.conn, err = open(); return err }); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { l.close(ns, s.Close) })
	return s
}

// dialKCP is a session of kcp-go and its other end.
func (l *rawLab) dialKCP(ours bool, remote string, listener *kcp.Listener) (client, server *kcp.UDPSession) {
	l.t.Helper()
	if ours {
		opt, _ := options(Plain{})
		return dialSession(l.t, l.dial(opt, remote), listener)
	}
	s := l.stock(l.client, func() (*tcpraw.TCPConn, error) { return tcpraw.Dial("tcp", remote) })
	client, err := kcp.NewConn4(7, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(remote)), nil, 0, 0, false, s)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { client.Close() })
	tune(client, &Conn{opt: Options{Sealer: Plain{}}})
	if _, err := client.Write([]byte{'!'}); err != nil {
		l.t.Fatal(err)
	}
	_ = listener.SetDeadline(time.Now().Add(patience))
	server, err = listener.AcceptKCP()
	if err != nil {
		l.t.Fatal(err)
	}
	tune(server, &Conn{opt: Options{Sealer: Plain{}}})
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		l.t.Fatal(err)
	}
	return client, server
}

var labFamilies = []struct{ name, server, other, wildcard string }{
	{"IPv4", labServer4, labOther4, "0.0.0.0"},
	{"IPv6", labServer6, labOther6, "::"},
}

// TestTCPWithTCPRaw has each end against each other one.
func TestTCPWithTCPRaw(t *testing.T) {
	l := newRawLab(t)
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
					l := &rawLab{l.as(t)}
					listener := l.serveKCP(pair.serverOurs, net.JoinHostPort(local, labPort))
					client, server := l.dialKCP(pair.clientOurs, net.JoinHostPort(f.server, labPort), listener)
					exchange(t, client, server, 1<<20)
				})
			}
		}
	}
	for _, ns := range []string{l.server, l.client} {
		if rules := l.rules(ns); len(rules) != 0 {
			t.Errorf("rules left in %s: %q", ns, rules)
		}
	}
}

func TestTCPSurvivesLoss(t *testing.T) {
	l := newRawLab(t)
	l.lose(l.server, "0.05")
	l.lose(l.client, "0.05")
	listener := l.serveKCP(true, ":"+labPort)
	for _, f := range labFamilies {
		client, server := l.dialKCP(true, net.JoinHostPort(f.server, labPort), listener)
		exchange(t, client, server, 1<<20)
	}
}

// TestTCPServesClients also shows that a server with several addresses, whose
// raw socket is bound to none, answers from the one that was asked.
func TestTCPServesClients(t *testing.T) {
	l := newRawLab(t)
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
	l.run("ip -n " + l.server + " addr add 192.0.2.3/24 dev w0")
	client, server := l.dialKCP(true, "192.0.2.3:"+labPort, listener)
	exchange(t, client, server, 1<<18)
}

func TestTCPRules(t *testing.T) {
	l := newRawLab(t)
	opt, _ := options(Plain{})
	server := l.listen(opt, ":"+labPort)
	client4 := l.dial(opt, labServer4+":"+labPort)
	client6 := l.dial(opt, "["+labServer6+"]:"+labPort)
	port := func(c *Conn) string {
		_, port, _ := net.SplitHostPort(c.LocalAddr().String())
		return port
	}
	for ns, want := range map[string][]string{
		l.server: {
			"iptables -A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900 -j DROP",
			"ip6tables -A OUTPUT -p tcp -m hl --hl-eq 1 -m tcp --sport 29900 -j DROP",
		},
		l.client: {
			"iptables -A OUTPUT -s 192.0.2.11/32 -d 192.0.2.1/32 -p tcp -m ttl --ttl-eq 1 -m tcp --sport " + port(client4) + " --dport 29900 -j DROP",
			"ip6tables -A OUTPUT -s 2001:db8::11/128 -d 2001:db8::1/128 -p tcp -m hl --hl-eq 1 -m tcp --sport " + port(client6) + " --dport 29900 -j DROP",
		},
	} {
		got := l.rules(ns)
		if !slices.Equal(got, want) {
			t.Errorf("rules are\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, r := range got {
			_, listed, _ := strings.Cut(r, " ") // without the program's name
			if stale := staleRules(listed, nil); len(stale) != 1 {
				t.Errorf("would not be found if it were stale: %s", r)
			}
		}
	}
	l.close(l.client, client4.Close)
	l.close(l.client, client6.Close)
	l.close(l.server, server.Close)
	for _, ns := range []string{l.server, l.client} {
		if rules := l.rules(ns); len(rules) != 0 {
			t.Errorf("left in %s: %q", ns, rules)
		}
	}
}

// A new raw socket is given every segment of the machine. Beside busy connections its
// queue was full before the answer of a handshake came, and the dial failed.
func TestTCPSocketBeginsEmpty(t *testing.T) {
	l := newRawLab(t)
	at := netip.MustParseAddrPort(labServer4 + ":" + labPort)
	from := netip.MustParseAddrPort(labClient4 + ":4001")
	var s *rawSocket
	err := l.in(l.server, func() (err error) {
		s, err = openRawSocket(false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	queued := func() int {
		waiting := 0
		for b := make([]byte, rawSpace); ; waiting++ {
			if _, _, err := unix.Recvfrom(s.fd, b, unix.MSG_DONTWAIT); err != nil {
				return waiting
			}
		}
	}
	send := func() {
		for range 10 {
			l.inject(l.client, unix.IPPROTO_TCP, at.Addr(), forgedSegment(from, at, flagACK, "busy"))
		}
	}
	send() // before filter is called
	if n := queued(); n != 0 {
		t.Errorf("%d segments are let in before the filter is set", n)
	}
	if err := s.filter(0, at.Port()); err != nil {
		t.Fatal(err)
	}
	send()
	if err := clearQueue(s.fd); err != nil {
		t.Fatal(err)
	}
	if n := queued(); n != 0 {
		t.Errorf("%d segments are left in the queue", n)
	}
	if err := s.filter(0, at.Port()); err != nil {
		t.Fatal(err)
	}
	send()
	eventually(t, "segments pass the filter", func() bool { return queued() > 0 })
}
