package link

import (
	"net/netip"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/carrier"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// livingAt is a listening link with a confirmed conversation, number 7, at the first
// address. Of ours, numbers 0 to 9 were sent and all below 5 are acknowledged, and number 8
// by itself; of the client's, all below 3 has come.
func livingAt(t *testing.T) (*Conn, *Peer) {
	t.Helper()
	server := listening(t)
	for sn := range uint32(3) {
		hears(server, seg(7, 81, sn, 0, "data"), addrNumber(1))
	}
	p := server.in.last
	for sn := range uint32(10) {
		p.sent(parsed(ofServer(seg(7, 81, sn, 3, "data"))))
	}
	hears(server, ofServer(seg(7, 82, 4, 5, "")), addrNumber(1))
	hears(server, ofServer(seg(7, 82, 8, 5, "")), addrNumber(1))
	if !p.confirmation.done.Load() {
		t.Fatal("not confirmed")
	}
	return server, p
}

// ofServer gives a segment a time of the server of livingAt.
func ofServer(segment []byte) []byte { return stamped(segment, 1<<20) }

// A client whose router gives it another port, or that comes from another network, keeps
// its conversation. It used to be dropped for good, and the client noticed by its keepalive.
// Only what nobody can have recorded moves it.
func TestFreshPacketMovesPeer(t *testing.T) {
	parity := withFEC(0xf2, make([]byte, 50))
	for _, c := range []struct {
		name   string
		packet []byte
		moves  bool
	}{
		{"new data", seg(7, 81, 3, 5, "data"), true},
		{"new data after a gap", seg(7, 81, 9, 5, "data"), true},
		{"new data with FEC", withFEC(0xf1, seg(7, 81, 3, 5, "data")), true},
		{"more is acknowledged", ofServer(seg(7, 82, 5, 6, "")), true},
		{"more is acknowledged, and data that has come", join(ofServer(seg(7, 82, 4, 6, "")), seg(7, 81, 2, 6, "data")), true},
		{"a later one is acknowledged by itself", ofServer(seg(7, 82, 9, 5, "")), true},
		{"new data behind old", join(seg(7, 81, 2, 5, "data"), seg(7, 81, 3, 5, "data")), true},

		{"data that has come, sent later", stamped(seg(7, 81, 2, 5, "data"), 1), true},
		{"the first data, sent later", stamped(seg(7, 81, 0, 5, "data"), 1), true},

		{"the first data", seg(7, 81, 0, 0, "data"), false},
		{"data that has come, sent earlier", stamped(seg(7, 81, 2, 5, "data"), ^uint32(0)), false},
		{"data beyond every window, sent later", stamped(seg(7, 81, 3+farthest, 5, "data"), 1), false},
		{"an acknowledgement that has come, of a later time", ofServer(stamped(seg(7, 82, 4, 5, ""), 1)), false},

		{"ours: data", ofServer(seg(7, 81, 3, 3, "data")), false},
		{"ours: data with FEC", withFEC(0xf1, ofServer(seg(7, 81, 9, 3, "data"))), false},
		{"ours: data behind an acknowledgement", join(seg(7, 82, 6, 7, ""), ofServer(seg(7, 81, 9, 7, "data"))), false},
		{"ours: an acknowledgement of as much as we have sent", seg(7, 82, 6, 7, ""), false},
		{"ours: a window tell", seg(7, 84, 0, 7, ""), false},

		{"data that has come", seg(7, 81, 2, 5, "data"), false},
		{"an acknowledgement that has come", ofServer(seg(7, 82, 4, 5, "")), false},
		{"a single one that has come", ofServer(seg(7, 82, 8, 5, "")), false},
		{"one of less", ofServer(seg(7, 82, 6, 5, "")), false},
		{"a window tell", seg(7, 84, 0, 5, ""), false},
		{"a window ask", seg(7, 83, 0, 5, ""), false},
		{"parity", parity, false},
		{"acknowledges what was never sent", ofServer(seg(7, 82, 10, 11, "")), false},
		{"data beyond every window", seg(7, 81, 3+farthest, 5, "data"), false},
		{"another conversation", seg(8, 81, 3, 5, "data"), false},
	} {
		server, p := livingAt(t)
		was, text := p.addr(), p.String()
		heard := hears(server, c.packet, addrNumber(2))
		if heard != c.moves || (p.addr() == addrNumber(2)) != c.moves || p.String() != text {
			t.Errorf("%s: handed on: %v, lives at %v, is called %s", c.name, heard, p.addr(), p)
		}
		if n := server.opt.Stats.Moved.Load(); n == 1 != c.moves {
			t.Errorf("%s: counted %d times", c.name, n)
		}
		if !c.moves {
			continue
		}
		if hears(server, c.packet, was) || p.addr() != addrNumber(2) {
			t.Errorf("%s: played again from the former address it moves the peer back", c.name)
		}
		if !hears(server, seg(7, 81, 4, 6, "data"), addrNumber(2)) {
			t.Errorf("%s: what comes from there next is not heard", c.name)
		}
		if len(server.peers.table) != 1 || len(server.peers.latest) != 1 {
			t.Errorf("%s: %d peers, at %d addresses", c.name, len(server.peers.table), len(server.peers.latest))
		}
		if server.Forget(p); len(server.peers.table) != 0 || len(server.peers.latest) != 0 {
			t.Errorf("%s: something is left of it", c.name)
		}
	}
}

// A client that moves before it has heard us hears us at its new address, even if it has sent
// so much already that nothing more of it is taken. Its upload used to end.
func TestUnconfirmedPeerMoves(t *testing.T) {
	for sn, heard := range map[uint32]bool{1: true, maxEarly + 1: false} {
		server := listening(t)
		hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
		p := server.in.last
		if hears(server, stamped(seg(7, 81, sn, 0, "data"), 1), addrNumber(2)) != heard || p.addr() != addrNumber(2) {
			t.Errorf("segment %d: it lives at %v", sn, p.addr())
		}
	}
}

// Neither one of several of the same number nor what has ended is moved, but for a client
// that moves when it has heard us.
func TestUnconfirmedPeerStays(t *testing.T) {
	server := listening(t)
	hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
	p := server.in.last
	p.sent(parsed(seg(7, 81, 0, 1, "data")))
	if hears(server, stamped(seg(7, 82, 0, 1, ""), 1), addrNumber(2)) || p.addr() != addrNumber(1) {
		t.Error("an acknowledgement of another time has moved it")
	}
	if !hears(server, seg(7, 82, 0, 1, ""), addrNumber(2)) || p.addr() != addrNumber(2) || !p.confirmation.done.Load() {
		t.Error("a client that has heard us has not moved")
	}

	server = listening(t)
	hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
	p = server.in.last
	if hears(server, seg(7, 81, 0, 0, "data"), addrNumber(2)); p.addr() != addrNumber(1) {
		t.Error("the first packet, which may be a copy, has moved it")
	}
	if hears(server, seg(7, 81, 1, 0, "data"), addrNumber(3)) || p.addr() != addrNumber(1) {
		t.Error("one of two of its number has moved")
	}
	server, p = livingAt(t)
	server.Forget(p)
	if hears(server, seg(7, 81, 3, 5, "data"), addrNumber(2)) || hears(server, seg(7, 81, 3, 5, "data"), addrNumber(1)) {
		t.Error("a conversation that has ended goes on")
	}
}

// A recording of a conversation that is there, or was, begins none, from wherever it is
// played again: the requests in it would be delivered once more.
func TestReplayBeginsNothing(t *testing.T) {
	server, p := livingAt(t)
	other := listening(t) // another port of the same program
	other.peers.conversations, other.opt.Conversations = server.peers.conversations, server.peers.conversations
	first := seg(7, 81, 0, 0, "data")
	for _, state := range []string{"lives", "has ended"} {
		for n := range 10 {
			if hears(server, first, addrNumber(n)) && n != 1 || hears(other, first, addrNumber(n)) {
				t.Errorf("from address %d it begins while the other %s", n, state)
			}
		}
		server.Forget(p)
	}
}

// One recording of a first packet, from thousands of addresses, took all the places of
// conversations that are not confirmed, for as long as it was played.
func TestOneRecordingTakesFewPlaces(t *testing.T) {
	server := listening(t)
	for n := range 5000 {
		hears(server, seg(7, 81, 0, 0, "data"), addrNumber(n))
	}
	if n := server.peers.conversations.unconfirmed.Len(); n != maxCopies {
		t.Errorf("%d places are taken", n)
	}
	if !hears(server, seg(8, 81, 0, 0, "data"), addrNumber(6000)) {
		t.Error("an honest client does not get in")
	}
	// Nor is the client kept out whose packet it is: it was heard first.
	p := peerOf(server, addrNumber(0), 7)
	if !confirmed(server, p) || server.peers.conversations.unconfirmed.Len() != 1 || len(server.peers.table) != 2 {
		t.Errorf("confirmed: %v; %d peers, %d not confirmed", p.confirmation.done.Load(), len(server.peers.table), server.peers.conversations.unconfirmed.Len())
	}
}

// Whoever moved to the address of another took what came from there along into his lane,
// even when he had left: the other's session got nothing any more.
func TestMoverTakesNoLane(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	server := newConn(newFake(fakeServerAddr), opt, netip.AddrPort{})
	t.Cleanup(func() { server.Close() })
	server.Lanes(4)
	begin := func(n int, conv uint32) *Peer {
		p, _ := server.peers.begin(identity{addrNumber(n), conv}, server.byHash(addrNumber(n)), 0)
		return p
	}
	far, free := 1, 0 // an address of another lane than that of 0, and one of the same as far
	for server.byHash(addrNumber(far)) == server.byHash(addrNumber(0)) {
		far++
	}
	for free = far + 1; server.byHash(addrNumber(free)) != server.byHash(addrNumber(0)); {
		free++
	}
	first, second, mover := begin(0, 7), begin(0, 8), begin(far, 9)
	move := func(n int) bool { return server.peers.move(mover, carrier.NewWay(addrNumber(n))) }
	hear := func(p *Peer) { server.peers.find(p.addr(), &Packet{Kind: Segments, Conv: p.Conv()}) }
	for _, heard := range []*Peer{first, second, nil} {
		if heard != nil {
			hear(heard)
		} else {
			server.Forget(second) // it was heard last, and one is left
		}
		if move(0) || mover.addr() != addrNumber(far) || server.laneOf(addrNumber(0)) != first.life.lane {
			t.Fatal("it has moved to where others live in another lane")
		}
	}
	if !move(free) || server.laneOf(addrNumber(free)) != mover.life.lane {
		t.Error("it does not move to where nobody lives")
	}
	server.Forget(first)
	if !move(0) || server.laneOf(addrNumber(0)) != mover.life.lane || server.laneOf(addrNumber(free)) == mover.life.lane {
		t.Error("it does not move to where nobody lives any more")
	}
	if server.Forget(mover); len(server.peers.routes)+len(server.peers.living)+len(server.peers.latest)+len(server.peers.table) != 0 {
		t.Error("something is left of it")
	}
}

// A conversation that ends while it begins, as another of its number is confirmed, was left
// in the table for good.
func TestEndedWhileItBegins(t *testing.T) {
	server, id := listening(t), identity{addrNumber(1), 7}
	p, _, _ := server.peers.conversations.begin(server.peers, id, nil, 0)
	server.peers.evict(p)
	if server.peers.enter(p) || len(server.peers.table)+len(server.peers.latest)+len(server.peers.living) != 0 {
		t.Error("it is in the table")
	}
}

// A client may move while its conversation begins, as the reader of another lane finds. The
// conversation, which was not in the table yet, was taken out of it: one too few lived at its
// address for good.
func TestMovesWhileItBegins(t *testing.T) {
	server, id := listening(t), identity{addrNumber(1), 7}
	p, _, _ := server.peers.conversations.begin(server.peers, id, nil, 0)
	if hears(server, seg(7, 81, 1, 0, "data"), addrNumber(2)) {
		t.Error("it has moved before it is in the table")
	}
	if !server.peers.enter(p) || server.peers.living[addrNumber(1)] != 1 {
		t.Errorf("living at the addresses: %v", server.peers.living)
	}
	if !hears(server, seg(7, 81, 1, 0, "data"), addrNumber(2)) || p.addr() != addrNumber(2) {
		t.Error("it does not move afterwards")
	}
	if server.Forget(p); len(server.peers.living)+len(server.peers.table)+len(server.peers.latest) != 0 {
		t.Errorf("something is left of it: %v", server.peers.living)
	}
}

// A conversation that is not confirmed moves, and its first packet is replayed from where it
// began. kcp-go found the session of the one for the packets of the other, which so got
// past the checks.
func TestTextsDiffer(t *testing.T) {
	server := listening(t)
	hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
	p := server.in.last
	hears(server, seg(7, 81, 1, 0, "data"), addrNumber(2))
	if p.addr() != addrNumber(2) || !hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1)) {
		t.Fatal("it has not moved, or no other begins")
	}
	if q := server.in.last; q == p || q.String() == p.String() {
		t.Errorf("two conversations are both %v", p)
	}
}

// The numbers that are remembered are bounded.
func TestNumbersAreBounded(t *testing.T) {
	var r ring[uint32]
	for n := range uint32(30) {
		r.put(n, 10)
		r.put(n, 10)
	}
	for n := range uint32(30) {
		if r.has(n) != (n >= 20) {
			t.Errorf("%d is remembered: %v", n, r.has(n))
		}
	}
	if len(r.known) != 10 || len(r.order) != 10 {
		t.Errorf("%d and %d are kept", len(r.known), len(r.order))
	}
}

// A session of kcp-go goes on while its client's port changes, with and without lanes, and
// its bytes arrive whole.
func TestSessionMoves(t *testing.T) {
	for name, lanes := range map[string]int{"one reader": 1, "lanes": 4} {
		t.Run(name, func(t *testing.T) {
			opt, _ := options(newAES())
			opt.DataShards, opt.ParityShards = 10, 3
			server, _ := listenAt(t, opt, "127.0.0.1:0")
			var accepted = make(chan *kcp.UDPSession, 8)
			for _, conn := range server.Lanes(lanes) {
				acceptOne(t, conn, accepted)
			}
			nat := testkit.NewCable(t, server.LocalAddr())
			client := dialTo(t, opt, nat.Addr().String())
			c, s := openSession(t, client, func() *kcp.UDPSession { return testkit.Within(t, "the session", accepted) })
			for range 6 {
				exchange(t, c, s, 100_000)
				nat.Rebind(t)
			}
			exchange(t, c, s, 100_000)
			// What one lane has still to read of the former address may move it back for a moment.
			if n := opt.Stats.Moved.Load(); n < 6 {
				t.Errorf("it moved %d times", n)
			}
		})
	}
}
