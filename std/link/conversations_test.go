package link

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/testkit"
)

// hears gives a link a packet from an address, and tells whether kcp-go gets it.
func hears(c *Conn, packet []byte, from netip.AddrPort) bool { return admit(c, packet, from)() }

// strays are packets of no conversation that is known, which begin none.
func strays(conv uint32) map[string][]byte {
	first := seg(conv, 81, 0, 0, "data")
	return map[string][]byte{
		"later data":             seg(conv, 81, 5, 0, "data"),
		"an ack of number 0":     seg(conv, 82, 0, 0, ""),
		"a window ask":           seg(conv, 83, 0, 0, ""),
		"a window tell":          seg(conv, 84, 0, 0, ""),
		"first data, heard us":   seg(conv, 81, 0, 1, "data"),
		"first data behind ack":  join(seg(conv, 82, 0, 0, ""), first),
		"first data behind data": join(seg(conv, 81, 1, 0, "data"), first),
		"later data with FEC":    withFEC(0xf1, seg(conv, 81, 5, 0, "data")),
		"parity":                 withFEC(0xf2, make([]byte, 100)),
		"short parity":           withFEC(0xf2, make([]byte, 4)),
		"out of band":            withFEC(0xf3, []byte{byte(conv), 0, 0, 0, 'x'}),
	}
}

// A conversation begins with its first data, of somebody who has heard nothing of ours.
// kcp-go would make a session, of 272 KiB, of each of these, or let it end the one of its
// address.
func TestStraysBeginNothing(t *testing.T) {
	for _, live := range []bool{false, true} {
		for name, packet := range strays(8) {
			server := listening(t)
			var peer *Peer
			before := 0
			if live {
				hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
				peer = server.in.last
				before = 1
				if bytes.Contains(packet, []byte{0xf2, 0}) && len(packet) < 200 && packet[4] == 0xf2 {
					continue // parity may be of the one that lives
				}
			}
			heard := admit(server, packet, addrNumber(1))
			if n := testkit.Allocations(func() {
				if heard() {
					t.Fatalf("%s is returned", name)
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
			if n := len(server.peers.table); n != before || len(server.peers.latest) != before {
				t.Errorf("%s: %d conversations, want %d", name, n, before)
			}
			if n := server.opt.Stats.Strays.Load(); n == 0 && name != "out of band" {
				t.Errorf("%s is not counted", name)
			}
			if live && (peer.Activity() != 1 || peer.ledger.window() != 9 || peer.ledger.rcvNext.Load() != 1) {
				t.Errorf("%s: the other conversation has noticed it", name)
			}
		}
	}
}

// Datagrams of other conversations from its address, recorded or made by anybody, leave
// a conversation its error correction.
func TestForeignConversationsLeaveRestoring(t *testing.T) {
	first := codedGroup(1, pushes(8, 3)...)
	for name, foreign := range map[string][]byte{
		"later data":     codedGroup(1, seg(8, 81, 5000, 0, "again"))[0],
		"the first data": first[0],
		"an ack":         seg(8, 82, 0, 0, ""),
	} {
		in := newIntake(t, 3, 1)
		wire := codedGroup(1, pushes(7, 3)...)
		in.hear(moved(wire, 0)...)
		restored := 0
		for group := 1; group <= 100; group++ {
			moved(wire, group)
			if group%5 == 0 {
				in.hear(foreign)
			}
			restored += len(in.hear(wire[1], wire[2], wire[3])) - 2
		}
		if restored != 100 {
			t.Errorf("%s: %d of 100 lost packets are restored", name, restored)
		}
	}
}

// Two conversations from one address know nothing of each other, and no two sessions
// have the same.
func TestTwoConversationsFromOneAddress(t *testing.T) {
	server := listening(t)
	from := addrNumber(1)
	hear := func(conv, sn uint32) *Peer {
		if !hears(server, seg(conv, 81, sn, 0, "data"), from) {
			return nil
		}
		return server.in.last
	}
	a, b := hear(1, 0), hear(2, 0)
	if a == b || a.String() == b.String() || a.Addr().String() != from.String() || b.Addr().String() != from.String() {
		t.Fatalf("peers %v and %v at %v and %v", a, b, a.Addr(), b.Addr())
	}
	if hear(1, 1) != a || hear(2, 1) != b || hear(1, 2) != a {
		t.Error("a packet is of the other conversation")
	}
	nothing := func() {}
	if !server.Hold(a, nothing) || server.Hold(a, nothing) || !server.Hold(b, nothing) {
		t.Error("a conversation has no session, or two")
	}
	server.Forget(a)
	server.Forget(a)
	if hear(1, 3) != nil || hear(1, 0) != nil || server.Hold(a, nothing) {
		t.Error("a conversation goes on, or begins again, after its end")
	}
	if hear(2, 2) != b {
		t.Error("the end of one was that of the other")
	}
	if hears(server, withFEC(0xf2, make([]byte, 50)), from); server.in.last != b {
		t.Error("parity is not of the conversation that was heard last")
	}
	server.Forget(b)
	if n := len(server.peers.table) + len(server.peers.latest) + server.opt.Conversations.unconfirmed.Len(); n != 0 {
		t.Errorf("%d things are left", n)
	}

	client, _ := dialled(t, 0, 0)
	beginAt(client, 7)
	only := client.Peer()
	if client.Forget(only); !hears(client, seg(7, 81, 0, 0, "data"), fakeServerAddr) || client.Peer() != only {
		t.Error("a dialled link forgot its peer")
	}
	if hears(client, seg(8, 81, 0, 0, "data"), fakeServerAddr) {
		t.Error("a client hears another conversation")
	}
}

// Some thousand conversations that ended are remembered, whichever link they were of.
func TestEndedConversationsAreBounded(t *testing.T) {
	a, b := listening(t), listening(t)
	b.peers.conversations = a.peers.conversations
	hear := func(c *Conn, n int) bool { return hears(c, seg(uint32(n), 81, 0, 0, "data"), addrNumber(1)) }
	for n := range maxEnded + 10 {
		if !hear(a, n) {
			t.Fatalf("conversation %d does not begin", n)
		}
		a.Forget(a.in.last)
	}
	for n, want := range map[int]bool{9: true, 10: false, maxEnded: false, maxEnded + 9: false, maxEnded + 10: true} {
		if hear(b, n) != want {
			t.Errorf("conversation %d of %d begins: %v", n, maxEnded+10, !want)
		}
	}
	if known := a.peers.conversations; len(known.ended.known) != maxEnded || len(known.ended.order) != maxEnded {
		t.Errorf("%d are remembered", len(known.ended.known))
	}
}

// confirmed has a peer acknowledge the data that was sent to it.
func confirmed(c *Conn, p *Peer) bool {
	conv, sn := p.conv.Load(), p.ledger.sndNext.Load()
	p.sent(parsed(seg(conv, 81, sn, 1, "data")))
	hears(c, seg(conv, 82, sn, sn+1, ""), p.addr())
	return p.confirmation.done.Load()
}

// What is not confirmed is bounded. The oldest makes room, when it has had its time.
func TestUnconfirmedConversationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := listening(t)
		ended := make(map[string]int)
		var peers []*Peer
		hear := func(n int) bool {
			if !hears(server, seg(uint32(n), 81, 0, 0, "data"), addrNumber(n)) {
				return false
			}
			p := server.in.last
			server.Hold(p, func() { ended[p.String()]++ })
			peers = append(peers, p)
			return true
		}
		for n := range maxUnconfirmed {
			if !hear(n) {
				t.Fatalf("number %d is refused", n)
			}
		}
		heard := admit(server, seg(1000, 81, 0, 0, "data"), addrNumber(1000))
		if n := testkit.Allocations(func() { heard() }); n != 0 || server.opt.Stats.Crowded.Load() == 0 || len(ended) > 0 {
			t.Errorf("one too many: %v allocations, counters %v, ended: %v", n, server.opt.Stats, ended)
		}
		if !confirmed(server, peers[0]) || !hear(1001) || len(ended) > 0 {
			t.Error("one that is confirmed still takes a place")
		}
		time.Sleep(unconfirmedStays)
		if !hear(1002) || len(ended) != 1 || ended[peers[1].String()] != 1 {
			t.Errorf("after %v nobody, or the wrong one made room: %v", unconfirmedStays, ended)
		}
		if hears(server, seg(1, 81, 1, 0, "data"), peers[1].addr()) || hears(server, seg(1, 81, 0, 0, "data"), peers[1].addr()) {
			t.Error("the one that made room is heard again")
		}
		if !hears(server, seg(0, 81, 1, 0, "data"), peers[0].addr()) {
			t.Error("one that is confirmed was ended")
		}
		if n := server.opt.Conversations.unconfirmed.Len(); n != maxUnconfirmed || len(server.peers.table) != maxUnconfirmed+1 {
			t.Errorf("%d are not confirmed, of %d", n, len(server.peers.table))
		}
	})
}

// When a server was restarted, 500 clients come within a second, each over a round trip
// of 200 ms. They send their first packet until they are heard, as KCP does, and all get
// in within seconds.
func TestCrowdGetsIn(t *testing.T) {
	const clients, roundTrip, patience = 500, 240 * time.Millisecond, 6 * time.Second
	synctest.Test(t, func(t *testing.T) {
		server := listening(t)
		type event struct {
			at  time.Duration
			n   int
			rto time.Duration // of the client's first packet
			p   *Peer         // confirms
		}
		var events []event
		for n := range clients {
			events = append(events, event{at: time.Duration(n) * time.Second / clients, n: n, rto: 200 * time.Millisecond})
		}
		begun, in := clock.Now(), 0
		var last time.Duration
		for len(events) > 0 {
			slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
			e := events[0]
			events = events[1:]
			time.Sleep(begun + e.at - clock.Now())
			switch {
			case e.p != nil:
				if !confirmed(server, e.p) {
					t.Fatalf("client %d is not confirmed", e.n)
				}
				in, last = in+1, e.at
			case hears(server, seg(uint32(e.n), 81, 0, 0, "data"), addrNumber(e.n)):
				events = append(events, event{at: e.at + roundTrip, n: e.n, p: server.in.last})
			default:
				events = append(events, event{at: e.at + e.rto, n: e.n, rto: e.rto + 200*time.Millisecond})
			}
		}
		if in != clients || last > patience {
			t.Errorf("%d of %d clients are in, the last after %v", in, clients, last)
		}
		t.Logf("the last of %d clients is in after %v; %d packets were dropped", in, last, server.opt.Stats.Crowded.Load())
	})
}

// Only who has heard us can confirm: an acknowledgement that was recorded, of another
// session or another run, has other times in it.
func TestRecordedAckDoesNotConfirm(t *testing.T) {
	const stamp = 77 // of seg
	for _, c := range []struct {
		name  string
		stamp uint32
		sent  bool
		want  bool
	}{
		{"the time that was sent", stamp, true, true},
		{"an earlier one", stamp - 1, true, false},
		{"a later one", stamp + 1, true, false},
		{"before anything was sent", stamp, false, false},
	} {
		server := listening(t)
		hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
		p := server.in.last
		if c.sent {
			p.sent(parsed(seg(7, 81, 0, 1, "data")))
		}
		hears(server, stamped(seg(7, 82, 0, 1, ""), c.stamp-stamp), addrNumber(1))
		if p.confirmation.done.Load() != c.want {
			t.Errorf("%s: it is confirmed: %v", c.name, !c.want)
		}
		select {
		case <-p.Confirmed():
			if !c.want {
				t.Errorf("%s: it says that it is confirmed", c.name)
			}
		default:
			if c.want {
				t.Errorf("%s: it does not say so", c.name)
			}
		}
	}
}

// A packet that is played again moves nothing of its own conversation back: neither what
// was acknowledged, nor the window, nor where answers go from.
func TestPlayedAgainMovesNothing(t *testing.T) {
	server := listening(t)
	here, there := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")
	hear := func(packet []byte, at netip.Addr) bool {
		_, p := server.in.admit(bytes.Clone(packet), &carrier.Inbound{From: addrNumber(1), At: at})
		return p != nil
	}
	hear(seg(7, 81, 0, 0, "data"), here)
	p := server.in.last
	for sn := range uint32(10) {
		p.sent(parsed(seg(7, 81, sn, 1, "data")))
	}
	old := window(seg(7, 82, 2, 3, ""), 0)
	hear(old, here)
	hear(window(seg(7, 81, 1, 8, "data"), 100), here)
	state := func() string {
		return fmt.Sprint(p.ledger.sndUna.Load(), p.ledger.sndNext.Load(), p.ledger.rcvNext.Load(), p.ledger.rcvUna.Load(), p.ledger.window(), p.way.Load().Local, p.InFlight())
	}
	before := state()
	for name, packet := range map[string][]byte{
		"an old ack with a shut window": old,
		"the first packet":              seg(7, 81, 0, 0, "data"),
		"the last again":                window(seg(7, 81, 1, 8, "data"), 100),
		"far data":                      window(seg(7, 81, 1<<20, 8, "data"), 100),
		"parity":                        withFEC(0xf2, make([]byte, 50)),
		"more than was sent":            window(seg(7, 84, 0, 11, ""), 100),
		"an ack of what was not sent":   window(seg(7, 82, 10, 8, ""), 100),
	} {
		if hear(packet, there); state() != before {
			t.Errorf("%s: %s, was %s", name, state(), before)
		}
	}
	if hear(seg(7, 82, 8, 9, ""), there); p.way.Load().Local != there {
		t.Error("news from another way do not show it")
	}
}

// A recording of a long upload, played again from many addresses, filled the windows and
// buffers of as many sessions: 2 MB each.
func TestUnconfirmedBringLittle(t *testing.T) {
	server := listening(t)
	hear := func(packet []byte) bool { return hears(server, packet, addrNumber(1)) }
	if !hear(seg(7, 81, 0, 0, "data")) {
		t.Fatal("it does not begin")
	}
	p := server.in.last
	p.sent(parsed(seg(7, 81, 0, 1, "data")))
	if !hear(seg(7, 81, maxEarly-1, 0, "data")) {
		t.Error("what a client may send before it hears us is dropped")
	}
	if hear(seg(7, 81, maxEarly, 1, "data")) {
		t.Error("more is taken in")
	}
	if !hear(seg(7, 82, 0, 1, "")) || !hear(seg(7, 81, maxEarly, 1, "data")) {
		t.Error("it is dropped still, of one that is confirmed")
	}
}
