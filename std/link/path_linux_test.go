package link

import (
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// If datagrams need fragments because of our own network card, the kernel refuses to
// segment. That is given up for the peer, said once, and nothing is lost by it. Over IPv4
// this is only for datagrams to which there is no smaller alternative.
func TestUDPPathBelowTheMTU(t *testing.T) {
	for _, c := range []struct {
		host, other string
		mtu         string
		size        int // of the data
	}{
		{netns.Server4, netns.Client4, "1000", 1100},
		{netns.Server6, netns.Client6, "1280", 1300},
	} {
		host, other := c.host, c.other
		t.Run(host, func(t *testing.T) {
			l := newLab(t)
			l.Run("ip -n " + l.Server + " link set w0 mtu " + c.mtu)
			l.Run("ip -n " + l.Client + " link set w0 mtu " + c.mtu)
			opt, book := options(newAES())
			opt.DataShards, opt.ParityShards = 10, 3
			server := l.listenUDP(opt, ":0")
			client := l.dialUDP(opt, net.JoinHostPort(host, portOf(server)))
			needSegments(t)
			peer := sendTogether(t, client, client.Peer(), server, c.size)
			sendTogether(t, server, peer, client, c.size)
			said := func(end string) int {
				lines := book.with("does not segment datagrams for this peer")
				return strings.Count(strings.Join(lines, "\n"), "to="+net.JoinHostPort(end, ""))
			}
			for _, end := range []string{host, other} { // the line comes after what was sent
				testkit.Eventually(t, "it says so for "+end, func() bool { return said(end) > 0 })
			}
			sendTogether(t, client, client.Peer(), server, c.size)
			sendTogether(t, server, peer, client, c.size)
			for _, end := range []string{host, other} {
				if n := said(end); n > 1 {
					t.Errorf("said %d times for %s", n, end)
				}
			}
			if n := opt.Stats.SendErrors.Load(); n != 0 {
				t.Errorf("%d datagrams were refused", n)
			}
			if c.size > 1200 {
				near, far := sessions(t, l.dialUDP(opt, net.JoinHostPort(host, portOf(server))), server)
				exchange(t, near, far, 1<<20)
			}
		})
	}
}

// sendTogether sends some large datagrams in one batch and waits for all of them. Whether a
// session sends several at a time depends on how fast the machine is: a writer that is
// slow sends each by itself.
func sendTogether(t *testing.T, from *Conn, to *Peer, at *Conn, size int) (sender *Peer) {
	t.Helper()
	testkit.Eventually(t, "the socket is free", from.out.acquire)
	const count = 5
	for i := range uint32(count) {
		if _, err := from.WriteTo(seg(1, 81, i, 0, strings.Repeat("x", size)), to); err != nil {
			t.Fatal(err)
		}
	}
	from.out.mu.Lock()
	from.out.busy = false
	from.out.mu.Unlock()
	from.out.wakeFlusher()
	testkit.Returns(t, "the batch", func() {
		for range count {
			_, source, err := at.ReadFrom(make([]byte, MaxDatagram))
			if err != nil {
				t.Error(err)
				return
			}
			sender = source.(*Peer)
		}
	})
	return sender
}

// A firewall rule answers EPERM to a datagram, as a filter of system calls answers to a
// call. It says nothing about the calls, whichever datagram meets it. The datagrams are
// drawn: of every third one, KCP can have the same segment sent each time.
func TestUDPFirewallRefusesDatagrams(t *testing.T) {
	l := newLab(t, "iptables")
	rule := "ip netns exec " + l.Client + " iptables -w -A OUTPUT -p udp -m statistic --mode random --probability 0.3 -j DROP"
	if out, err := exec.Command("sh", "-c", rule).CombinedOutput(); err != nil {
		t.Skipf("no such rules here: %v: %s", err, out)
	}
	opt, book := options(newAES())
	server := l.listenUDP(opt, netns.Server4+":0")
	client := l.dialUDP(opt, net.JoinHostPort(netns.Server4, portOf(server)))
	c, s := sessions(t, client, server)
	for range 100 { // a call that carries many datagrams is drawn once
		if exchange(t, c, s, 100_000); len(book.with("operation not permitted")) > 0 {
			break
		}
	}
	if opt.Stats.SendErrors.Load() == 0 || len(book.with("operation not permitted")) == 0 {
		t.Errorf("the rule refused nothing: %v", opt.Stats)
	}
	if lines := book.with("in one call"); len(lines) != 0 {
		t.Errorf("it says %q", lines)
	}
}

// A link-local address names its interface, to send to and in what is heard.
func TestUDPLinkLocal(t *testing.T) {
	host := linkLocal(t)
	both(t, func(t *testing.T, opt Options) {
		server, port := listenAt(t, opt, ":0")
		client := dialTo(t, opt, net.JoinHostPort(host, port))
		for range 2 {
			if peer := ask(t, client, server); !strings.HasPrefix(peer.String(), "["+host+"]:") {
				t.Errorf("the server's peer is %s", peer)
			}
		}
		_, zone, _ := strings.Cut(host, "%")
		iface, err := net.InterfaceByName(zone)
		if err != nil {
			t.Fatal(err)
		}
		byNumber := dialTo(t, opt, net.JoinHostPort(strings.Replace(host, "%"+zone, "%"+strconv.Itoa(iface.Index), 1), port))
		if byNumber.Peer().String() != client.Peer().String() {
			t.Errorf("by the interface's number: %v", byNumber.Peer())
		}
		ask(t, byNumber, server)
		if got := client.Peer().way.Load().Scope; got != uint32(iface.Index) {
			t.Errorf("the interface of %s is number %d, not %d", host, iface.Index, got)
		}
	})
	if got := carrier.ScopeOf(netip.MustParseAddr("fe80::1%4000000")); got != 4_000_000 {
		t.Errorf("a zone that is a number is %d", got)
	}
}

// linkLocal is an address of this machine that is good on one interface only.
func linkLocal(t *testing.T) string {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			ip, ok := netip.AddrFromSlice(a.(*net.IPNet).IP)
			if ok && ip.Is6() && !ip.Is4In6() && ip.IsLinkLocalUnicast() && i.Flags&net.FlagUp != 0 {
				return ip.WithZone(i.Name).String()
			}
		}
	}
	t.Skip("no interface has a link-local address")
	return ""
}

// An address of a server that goes and comes back costs datagrams, not segmentation:
// of IPv6 the kernel says of both that the argument is invalid.
func TestUDPAddressFlaps(t *testing.T) {
	needSegments(t)
	l := newLab(t)
	opt, book := options(newAES())
	opt.DataShards, opt.ParityShards = 10, 3
	server := l.listenUDP(opt, ":0")
	client := l.dialUDP(opt, net.JoinHostPort(netns.Other6, portOf(server)))
	c, s := sessions(t, client, server)
	exchange(t, c, s, 1<<18)
	peer := s.RemoteAddr().(*Peer)
	if !peer.way.Load().Segments() {
		t.Fatal("segmentation is given up before")
	}
	l.Run("ip -n " + l.Server + " addr del " + netns.Other6 + "/64 dev w0")
	if _, err := s.Write(testkit.RandomBytes(1, 200_000)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "datagrams are refused", func() bool { return opt.Stats.SendErrors.Load() > 50 })
	l.Run("ip -n " + l.Server + " addr add " + netns.Other6 + "/64 dev w0 nodad")
	if _, err := io.ReadFull(c, make([]byte, 200_000)); err != nil {
		t.Fatal(err)
	}
	if !peer.way.Load().Segments() {
		t.Errorf("segmentation is given up: %q", book.with("segment"))
	}
}
