package rawtcp

import (
	"context"
	"net/netip"
	"sync"
	"testing"

	"kcptun/std/clock"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// TestTCPKeepsEarlySegments: a datagram that arrives before its connection is accepted is
// not lost.
func TestTCPKeepsEarlySegments(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	_, server, f := l.pair(opt, netns.Server4+":"+labPort)
	var early earlySegments
	raw := goldenPacket(f)[ipv4MinHeader:]
	if got := early.keep(server.flows, f.remote, f.local, raw, clock.Now()); got != f {
		t.Errorf("a flow in the table is not found: %v", got)
	}
	none, start := newFlows(1), clock.Now()
	stranger := netip.MustParseAddrPort("192.0.2.99:1")
	bad := append([]byte{}, raw...)
	bad[len(bad)-1]++
	old := start - earlyTime
	early.keep(none, f.remote, f.local, raw, old)
	early.keep(none, f.remote, f.local, raw, start)
	early.keep(none, f.remote, f.local, bad, start)
	early.keep(none, f.remote, stranger, raw, start)
	for range 10 {
		early.keep(none, stranger, f.local, raw, start)
	}
	found := early.claim(f, start)
	if len(found) != 1 || string(found[0].Data) != "payload" || found[0].From != f.peer {
		t.Errorf("found %v", found)
	}
	if found = early.claim(f, start); len(found) != 0 || len(early.kept) != 11 {
		t.Errorf("found %v again, of %d that are left", found, len(early.kept))
	}
	for range 3 * earlyLimit {
		early.keep(none, stranger, f.local, raw, start)
	}
	if len(early.kept) != earlyLimit {
		t.Errorf("%d are kept", len(early.kept))
	}
	if n := testing.AllocsPerRun(100, func() { early.keep(none, stranger, f.local, raw, start) }); n != 0 {
		t.Errorf("keeping allocates %v times once it is full", n)
	}
}

// TestTCPExaminesEarlySegments: the capture keeps them.
func TestTCPExaminesEarlySegments(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	_, server, f := l.pair(opt, netns.Server4+":"+labPort)
	b := newRawBatch()
	b.messages[0].Len = uint32(copy(b.space[0][:], goldenPacket(f)))
	bare := &Conn{flows: newFlows(1)} // a client
	for range 2 {
		b.count = 1
		bare.examine(server.socks[0], b)
		if len(b.found) != 0 || bare.listener == nil && len(bare.early.kept) != 0 {
			t.Error("a datagram of nobody is delivered, or kept at a client")
		}
		bare.listener = server.listener
	}
	if found := bare.early.claim(f, clock.Now()); len(found) != 1 || string(found[0].Data) != "payload" {
		t.Errorf("kept: %v", found)
	}
}

// TestTCPEarlyDatagramArrives has clients send at once, as fast as they can dial.
func TestTCPEarlyDatagramArrives(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	remote := netns.Server4 + ":" + labPort
	_, server := l.carriers(opt, remote)
	const dials = 30
	var clients sync.WaitGroup
	defer clients.Wait()
	clients.Go(func() {
		for range dials {
			err := l.In(l.Client, func() error {
				c, err := Dial(context.Background(), opt, netip.MustParseAddrPort(remote))
				if err != nil {
					return err
				}
				defer c.Close()
				_, err = c.Send(datagramTo(remote, []byte("hello")))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	testkit.Returns(t, "every client's first datagram", func() {
		from := make(map[netip.AddrPort]bool)
		for len(from) < dials {
			in, err := server.Recv()
			if err != nil {
				t.Error(err)
				return
			}
			for _, i := range in {
				from[i.From] = true
			}
		}
	})
}
