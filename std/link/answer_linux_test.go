package link

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// The far wire of the lab of answers: what the client sends to these addresses
// goes over it, and what the server answers would leave over w0, from there.
const labFar4, labFar6 = "192.0.2.129", "2001:db8:0:1::1"

// newAnswerLab has a second wire between the machines and lets them take on one
// wire what they would send on the other.
func newAnswerLab(t *testing.T) *udpLab {
	t.Helper()
	l := newLab(t)
	l.Wire("w1", []string{labFar4 + "/32", labFar6 + "/128", "fe80::1/64"}, []string{"fe80::11/64"})
	l.Run("ip -n " + l.Client + " route add " + labFar4 + " dev w1 src " + netns.Client4)
	l.Run("ip -n " + l.Client + " route add " + labFar6 + " dev w1 src " + netns.Client6)
	for _, ns := range []string{l.Server, l.Client} {
		for _, name := range []string{"all", "w0", "w1"} { // the larger of all and the interface's holds
			err := l.In(ns, func() error {
				return os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/rp_filter", []byte("0"), 0)
			})
			if err != nil {
				t.Skipf("rp_filter stays on: %v", err)
			}
		}
	}
	return l
}

// answerWays are the ways in which datagrams leave.
var answerWays = []struct {
	name   string
	plain  bool
	single bool // datagrams of a batch as messages of their own, as where the kernel does not segment
}{
	{"segments", false, false},
	{"messages", false, true},
	{"plain", true, false},
}

// A server with several addresses answers from the one that it was asked at, or
// the client does not take what it says.
func TestAnswerComesFromTheAddressAsked(t *testing.T) {
	l := newAnswerLab(t)
	for _, c := range []struct {
		name, local string
		asked       []string // all of them: only one can be the kernel's own choice
	}{
		{"IPv4", "0.0.0.0:0", []string{netns.Server4, netns.Other4}},
		{"IPv6", "[::]:0", []string{netns.Server6, netns.Other6}},
		{"both families", "[::]:0", []string{netns.Other4, netns.Other6, netns.Server4, netns.Server6}},
		{"no host", ":0", []string{netns.Other4, netns.Other6}},
		{"two interfaces, IPv4", "0.0.0.0:0", []string{netns.Server4, labFar4}},
		{"two interfaces, both families", "[::]:0", []string{labFar4, labFar6}},
		{"bound to one, IPv4", netns.Other4 + ":0", []string{netns.Other4}},
		{"bound to one, IPv6", "[" + netns.Other6 + "]:0", []string{netns.Other6}},
		{"bound to one of another interface", "[" + labFar6 + "]:0", []string{labFar6}},
	} {
		for _, how := range answerWays {
			ok := t.Run(c.name+"/"+how.name, func(t *testing.T) {
				l := &udpLab{l.As(t)}
				opt, book := options(newAES())
				opt.OneByOne, opt.Buffer, opt.DataShards, opt.ParityShards = how.plain, 1<<20, 10, 3
				server := l.listenUDP(opt, c.local)
				way := newGate(server)
				var clients []*Conn
				var peers []*Peer // as the server has them
				for _, host := range c.asked {
					client := l.dialUDP(opt, net.JoinHostPort(host, portOf(server)))
					ask(t, client, server) // alone
					peer := ask(t, client, server)
					if how.single {
						peer.way.Load().NoSegments()
					}
					clients, peers = append(clients, client), append(peers, peer)
				}
				burst(t, server, way, clients, peers)
				if stats := opt.Stats; stats.Foreign.Load() != 0 || stats.SendErrors.Load() != 0 {
					t.Errorf("%d answers from other addresses, %d datagrams refused", stats.Foreign.Load(), stats.SendErrors.Load())
				}
				if gaveUp := book.with("does not segment"); len(gaveUp) > 0 {
					t.Errorf("gave segmentation up: %q", gaveUp)
				}
				last := net.JoinHostPort(c.asked[len(c.asked)-1], portOf(server))
				near, far := sessions(t, l.dialUDP(opt, last), server)
				exchange(t, near, far, 1<<18)
			})
			if !ok {
				break // a failure takes all our testkit.Patience
			}
		}
	}
}

// needSegments skips the test where the system does not segment datagrams.
func needSegments(t *testing.T) {
	t.Helper()
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var missing error
	err = raw.Control(func(fd uintptr) { _, missing = unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT) })
	if err != nil || missing != nil {
		t.Skipf("no segmentation here: %v", errors.Join(err, missing))
	}
}

// burstSize is how many datagrams of a burst go to each client: two batches.
const burstSize = carrier.MaxSegments + 36

// burst has the server send to all clients at once, and each client take what
// is for it.
func burst(t *testing.T, server *Conn, way *gate, clients []*Conn, peers []*Peer) {
	t.Helper()
	text := strings.Repeat("x", 900)
	testkit.Returns(t, "a burst", func() {
		alwaysBurst(server)
		way.shut()
		for i := range burstSize {
			for _, p := range peers {
				if _, err := server.WriteTo(seg(1, 81, uint32(i), 0, text), p); err != nil {
					t.Error(err)
				}
			}
			if i == 0 {
				<-way.waits
			}
		}
		way.mu.Unlock()
		for _, client := range clients {
			b := make([]byte, MaxDatagram)
			for range burstSize {
				if n, _, err := client.ReadFrom(b); err != nil || !strings.HasSuffix(string(b[:n]), text) {
					t.Errorf("a client reads %d bytes: %v", n, err)
					return
				}
			}
		}
	})
	way.mu.Lock()
	defer way.mu.Unlock()
	if way.size != carrier.MaxSegments || way.batches < len(clients) {
		t.Errorf("at most %d datagrams in a batch and %d batches in a call: no load", way.size, way.batches)
	}
}

// gate is in front of a carrier. Behind a shut one batches form.
type gate struct {
	carrier.Carrier
	waits chan struct{} // somebody is before the gate

	mu            sync.Mutex // held while it is shut
	size, batches int        // the most datagrams in a batch, and batches in a call
}

// newGate puts a gate into a link that has sent nothing yet.
func newGate(c *Conn) *gate {
	g := &gate{Carrier: c.out.sock, waits: make(chan struct{}, 1)}
	c.out.sock = g
	return g
}

// shut lets nothing more through until mu is unlocked.
func (g *gate) shut() {
	g.mu.Lock()
	select {
	case <-g.waits: // of a call that is through
	default:
	}
}

func (g *gate) Send(batches []*carrier.Batch) (int, error) {
	select {
	case g.waits <- struct{}{}:
	default:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.batches = max(g.batches, len(batches))
	for _, b := range batches {
		g.size = max(g.size, b.Count)
	}
	return g.Carrier.Send(batches)
}

// The same where there is no root: loopback has many addresses.
func TestAnswerOnLoopback(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		server, port := listenAt(t, opt, ":0")
		only4, port4 := listenAt(t, opt, "0.0.0.0:0")
		for range 2 {
			ask(t, dialTo(t, opt, "127.0.0.2:"+port), server)
			ask(t, dialTo(t, opt, "127.0.0.3:"+port4), only4)
		}
		if opt.Stats.Foreign.Load() != 0 {
			t.Errorf("answers from other addresses: %v", opt.Stats)
		}
	})
}

// portOf is the port of a link.
func portOf(c *Conn) string {
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	return port
}
