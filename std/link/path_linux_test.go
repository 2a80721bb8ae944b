package link

import (
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"kcptun/std/testkit"

	"golang.org/x/sys/unix"
)

// On a path whose datagrams need fragments the kernel refuses to segment. That
// is given up for the peer, said once, and nothing is lost by it.
func TestUDPPathBelowTheMTU(t *testing.T) {
	for host, other := range map[string]string{labServer4: labClient4, labServer6: labClient6} {
		t.Run(host, func(t *testing.T) {
			l := newLab(t)
			l.run("ip -n " + l.server + " link set w0 mtu 1280")
			l.run("ip -n " + l.client + " link set w0 mtu 1280")
			opt, book := options(newAES())
			opt.DataShards, opt.ParityShards = 10, 3
			server := l.listenUDP(opt, ":0")
			client := l.dialUDP(opt, net.JoinHostPort(host, portOf(server)))
			c, s := sessions(t, client, server)
			exchange(t, c, s, 1<<20)
			if _, err := unix.GetsockoptInt(int(fdOf(t, client)), unix.IPPROTO_UDP, unix.UDP_SEGMENT); err != nil {
				t.Skipf("no segmentation here: %v", err)
			}
			lines := book.with("does not segment datagrams for this peer")
			for _, end := range []string{host, other} {
				to := "to=" + net.JoinHostPort(end, "")
				if n := strings.Count(strings.Join(lines, "\n"), to); n != 1 {
					t.Errorf("said %d times %s: %q", n, to, lines)
				}
			}
			if n := opt.Stats.SendErrors.Load(); n != 0 {
				t.Errorf("%d datagrams were refused", n)
			}
		})
	}
}

func fdOf(t *testing.T, c *Conn) (fd uintptr) {
	t.Helper()
	raw, err := udpConn(t, c).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(f uintptr) { fd = f }); err != nil {
		t.Fatal(err)
	}
	return fd
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
		if got := scopeOf(client.Peer().addr.Addr()); got != uint32(iface.Index) {
			t.Errorf("the interface of %s is number %d, not %d", host, iface.Index, got)
		}
	})
	if got := zoneName(4_000_000); got != "4000000" {
		t.Errorf("an unknown interface is called %q", got)
	}
	if got := scopeOf(netip.MustParseAddr("fe80::1%4000000")); got != 4_000_000 {
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
	l := newLab(t)
	opt, book := options(newAES())
	opt.DataShards, opt.ParityShards = 10, 3
	server := l.listenUDP(opt, ":0")
	client := l.dialUDP(opt, net.JoinHostPort(labOther6, portOf(server)))
	c, s := sessions(t, client, server)
	exchange(t, c, s, 1<<18)
	peer := s.RemoteAddr().(*Peer)
	if !segmenting(t, server) || peer.noGSO.Load() {
		t.Skip("no segmentation here")
	}
	l.run("ip -n " + l.server + " addr del " + labOther6 + "/64 dev w0")
	if _, err := s.Write(testkit.RandomBytes(1, 200_000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "datagrams are refused", func() bool { return opt.Stats.SendErrors.Load() > 50 })
	l.run("ip -n " + l.server + " addr add " + labOther6 + "/64 dev w0 nodad")
	if _, err := io.ReadFull(c, make([]byte, 200_000)); err != nil {
		t.Fatal(err)
	}
	if peer.noGSO.Load() {
		t.Errorf("segmentation is given up: %q", book.with("segment"))
	}
}
