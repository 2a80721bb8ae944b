package link

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

func TestOtherPort(t *testing.T) {
	for _, c := range []struct {
		ports     PortRange
		now       uint16
		want, but uint16 // any of the ports up to want, except for but
	}{
		{PortRange{}, 9, 9, 0},
		{PortRange{9, 9}, 9, 9, 0},
		{PortRange{9, 10}, 9, 10, 9},
		{PortRange{9, 10}, 10, 9, 10},
		{PortRange{65533, 65535}, 65534, 65535, 65534},
		{PortRange{1, 65535}, 1, 65535, 1},
		{PortRange{20, 30}, 5, 30, 5},
	} {
		for range 100 {
			got := c.ports.other(c.now)
			if got == c.but || got > c.want || got < c.ports.Min {
				t.Fatalf("%v: %d comes after %d", c.ports, got, c.now)
			}
		}
	}
}

// siblings are two links of one program at consecutive ports.
func siblings(t *testing.T, opt Options) (pair [2]*Conn, ports PortRange) {
	t.Helper()
	opt.Siblings, opt.Conversations = true, new(Conversations)
	for range 100 {
		first, _ := listenAt(t, opt, "127.0.0.1:0")
		port := first.LocalAddr().(*net.UDPAddr).Port
		second, err := Listen(t.Context(), opt, fmt.Sprintf("127.0.0.1:%d", port+1))
		if err == nil {
			t.Cleanup(func() { second.Close() })
			return [2]*Conn{first, second}, PortRange{uint16(port), uint16(port + 1)}
		}
	}
	t.Skip("no two consecutive ports are free")
	return pair, ports
}

// A session of kcp-go goes on while its client goes from one port of the server to another
// and back, and its bytes arrive whole. When it ends, nothing is left at either port.
func TestSessionMovesToAnotherPort(t *testing.T) {
	for name, lanes := range map[string]int{"one lane": 1, "lanes": 4} {
		t.Run(name, func(t *testing.T) {
			opt, _ := options(newAES())
			opt.DataShards, opt.ParityShards = 10, 3
			servers, ports := siblings(t, opt)
			accepted := make(chan *kcp.UDPSession, 8)
			for _, server := range servers {
				for _, conn := range server.Lanes(lanes) {
					acceptOne(t, conn, accepted)
				}
			}
			opt.Range = ports
			client := dialTo(t, opt, servers[0].LocalAddr().String())
			c, s := openSession(t, client, func() *kcp.UDPSession { return testkit.Within(t, "the session", accepted) })
			peer := s.RemoteAddr().(*Peer)
			for i := range 6 {
				exchange(t, c, s, 100_000)
				was := client.Peer().Addr().String()
				if err := client.Move(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				if now := client.Peer().Addr().String(); now == was || now != servers[(i+1)%2].LocalAddr().String() {
					t.Errorf("from %s it goes on at %s", was, now)
				}
			}
			exchange(t, c, s, 100_000)
			if err := client.Move(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			exchange(t, c, s, 100_000)
			if n := servers[1].guests.count.Load(); n != 1 {
				t.Errorf("%d guests at the other port", n)
			}
			servers[0].Forget(peer)
			for _, server := range servers {
				if n := server.guests.count.Load(); n != 0 || len(server.peers.table) != 0 {
					t.Errorf("%d guests and %d peers are left", n, len(server.peers.table))
				}
			}
		})
	}
}

// A client sent to one port of the server, then to the other, then to the first again, all
// from one address. The server found it at home and went on sending to it from the other
// port, whose datagrams the client does not accept: the session stood still.
func TestReturnsFromTheSameAddress(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	servers, _ := siblings(t, opt)
	home := servers[0].Lanes(1)[0]
	servers[1].Lanes(1)
	go func() { // of what begins at the sibling, nothing is expected
		for {
			if _, _, err := servers[1].lanes[0].ReadFrom(make([]byte, MaxDatagram)); err != nil {
				return
			}
		}
	}()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	send := func(packet []byte, server int) *Peer {
		t.Helper()
		if _, err := socket.WriteTo(packet, servers[server].LocalAddr()); err != nil {
			t.Fatal(err)
		}
		_, from, err := home.ReadFrom(make([]byte, MaxDatagram))
		if err != nil {
			t.Fatal(err)
		}
		return from.(*Peer)
	}
	p := send(seg(7, 81, 0, 0, "data"), 0)
	p.sent(parsed(ofServer(seg(7, 81, 0, 1, "data"))))
	send(ofServer(seg(7, 82, 0, 1, "")), 0)
	for sn := uint32(1); sn < 5; sn++ {
		at := int(sn % 2)
		if send(seg(7, 81, sn, 1, "data"), at) != p || (p.host.Load() != nil) != (at == 1) {
			t.Errorf("segment %d: at port %d, the server sends from the other", sn, at)
		}
	}
}

// portsLab is a server with two ports, what its sessions get, and a client's socket.
type portsLab struct {
	t       *testing.T
	opt     Options
	servers [2]*Conn
	got     chan *Peer
	socket  *net.UDPConn
}

func newPortsLab(t *testing.T) *portsLab {
	t.Helper()
	l := &portsLab{t: t, got: make(chan *Peer, 100)}
	l.opt, _ = options(crypt.Plain{})
	l.servers, _ = siblings(t, l.opt)
	for _, s := range l.servers {
		s.Serve(s.Lanes(1)[0], func(from *Peer, _ []byte) { l.got <- from }, func(error) {})
	}
	var err error
	if l.socket, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.socket.Close() })
	return l
}

// write sends a packet to a port.
func (l *portsLab) write(packet []byte, port int) {
	l.t.Helper()
	if _, err := l.socket.WriteTo(packet, l.servers[port].LocalAddr()); err != nil {
		l.t.Fatal(err)
	}
}

// send sends a packet, and returns whose it is to the server.
func (l *portsLab) send(packet []byte, port int) *Peer {
	l.t.Helper()
	l.write(packet, port)
	return testkit.Within(l.t, "the packet", l.got)
}

// begin begins a conversation, which is confirmed.
func (l *portsLab) begin(conv uint32, port int) *Peer {
	l.t.Helper()
	p := l.send(seg(conv, 81, 0, 0, "data"), port)
	p.sent(parsed(ofServer(seg(conv, 81, 0, 1, "data"))))
	l.send(ofServer(seg(conv, 82, 0, 1, "")), port)
	return p
}

// A client has gone on at another port, and another conversation begins there from the same
// address. The server began it at the first port and answered from there, which the client
// does not accept, and so it answered data that it does not know. When one of two such guests
// leaves, what the other sends still reaches its session.
func TestNewcomerBesideAGuest(t *testing.T) {
	l := newPortsLab(t)
	answered := func(what string) {
		t.Helper()
		_ = l.socket.SetReadDeadline(time.Now().Add(testkit.Patience))
		if _, from, err := l.socket.ReadFrom(make([]byte, MaxDatagram)); err != nil || from.String() != l.servers[1].LocalAddr().String() {
			t.Errorf("%s: the answer comes from %v, %v", what, from, err)
		}
	}
	p := l.begin(7, 0)
	l.send(seg(7, 81, 1, 1, "data"), 1)
	q := l.send(seg(8, 81, 0, 0, "data"), 1)
	home := l.servers[0]
	if q.table != home.peers {
		home = l.servers[1]
	}
	if _, err := home.WriteTo(ofServer(seg(8, 81, 0, 1, "hello")), q); err != nil {
		t.Fatal(err)
	}
	answered("a newcomer")
	l.write(seg(9, 81, 5, 3, "data"), 1)
	answered("an unknown conversation")
	l.servers[0].Forget(p)
	if l.send(seg(8, 81, 1, 1, "data"), 1) != q {
		t.Error("a packet of the other guest is taken for another's")
	}
	home.Forget(q)
	if n := l.servers[1].guests.count.Load(); n != 0 {
		t.Errorf("%d guests are left", n)
	}
}

// A client has a conversation at one port, and another has come there from its address as a guest.
// The guest's lane got the packets of both. Each that brought something new was taken for a move,
// which sent the search for the size back to its beginning, and the others were dropped.
func TestResidentBesideAGuest(t *testing.T) {
	l := newPortsLab(t)
	resident := l.begin(8, 1)
	young := l.send(seg(9, 81, 0, 0, "data"), 1) // which is not confirmed
	guest := l.begin(7, 0)
	l.send(seg(7, 81, 1, 1, "data"), 1)
	moved := l.opt.Stats.Moved.Load()
	for _, c := range []struct {
		name   string
		packet []byte
		want   *Peer
	}{
		{"data", seg(8, 81, 1, 1, "data"), resident},
		{"the same data", seg(8, 81, 1, 1, "data"), resident},
		{"a report of a window", seg(8, 84, 0, 1, ""), resident},
		{"the guest", seg(7, 81, 2, 1, "data"), guest},
		{"one that is not confirmed", seg(9, 81, 1, 0, "data"), young},
		{"its first packet", seg(9, 81, 0, 0, "data"), young},
	} {
		if got := l.send(c.packet, 1); got != c.want {
			t.Errorf("%s: taken for %v, want %v", c.name, got, c.want)
		}
	}
	if n := l.opt.Stats.Moved.Load() - moved; n != 0 {
		t.Errorf("it says that %d have moved", n)
	}
}
