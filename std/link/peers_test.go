package link

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func listening(t *testing.T) *Conn {
	opt, _ := options(Plain{})
	near, far := fakePair()
	_, server := fakeConns(t, near, far, opt)
	return server
}

func TestPeersTable(t *testing.T) {
	ps := listening(t).peers
	a, b := ps.get(addrNumber(1)), ps.get(addrNumber(2))
	if a == b || ps.get(addrNumber(1)) != a {
		t.Error("an address is not one peer")
	}
	if a.String() != addrNumber(1).String() {
		t.Errorf("the text is %q", a)
	}
	ps.forget(a)
	again := ps.get(addrNumber(1))
	if again == a || ps.get(addrNumber(2)) != b {
		t.Error("forgetting forgot the wrong one")
	}
	ps.forget(a) // its place is another's now
	if ps.get(addrNumber(1)) != again {
		t.Error("a peer was forgotten in the place of another")
	}
}

func TestForgetThroughConn(t *testing.T) {
	server := listening(t)
	hear := admit(server, seg(1, 81, 0, 0, "data"), addrNumber(1))
	hear()
	p := server.peers.get(addrNumber(1))
	hear()
	if server.peers.get(addrNumber(1)) != p {
		t.Fatal("a datagram made a second peer")
	}
	server.Forget(p)
	hear()
	if again := server.peers.get(addrNumber(1)); again == p || again.Heard().IsZero() {
		t.Error("the next datagram is of the forgotten peer")
	}

	opt, _ := options(Plain{})
	near, far := fakePair()
	client, _ := fakeConns(t, near, far, opt)
	only := client.Peer()
	client.Forget(only)
	if client.Peer() != only || client.peers.get(fakeServerAddr) != only {
		t.Error("a dialled link forgot its peer")
	}
}

// Peers of whom no session came are dropped once there are many.
func TestPeersSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := listening(t)
		hear := func(n int) {
			if !admit(server, seg(1, 81, 0, 0, "data"), addrNumber(n))() {
				t.Fatal("refused")
			}
		}
		size := func() int { return len(server.peers.table) }
		for n := range maxIdlePeers {
			hear(n)
		}
		time.Sleep(peerIdle / 2)
		for n := range 100 {
			hear(n)
		}
		kept := server.peers.get(addrNumber(50))
		time.Sleep(peerIdle/2 + time.Second)
		if size() != maxIdlePeers {
			t.Fatalf("%d peers before the sweep", size())
		}
		hear(maxIdlePeers) // makes it sweep
		if size() != 101 {
			t.Errorf("%d peers after the sweep, want the 100 of half a minute ago and the new one", size())
		}
		if server.peers.get(addrNumber(50)) != kept {
			t.Error("a peer heard of late was dropped")
		}
		hear(500) // one of the dropped
		if size() != 102 {
			t.Errorf("%d peers", size())
		}
	})
}

// With more busy peers than the table likes, a new one must not cost a walk
// through all of them each time.
func TestPeersSweepIsRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := listening(t).peers
		for n := range maxIdlePeers + 100 {
			ps.get(addrNumber(n)).heard.Store(time.Now().UnixNano())
		}
		first := ps.swept
		time.Sleep(peerSweep - 1)
		ps.get(addrNumber(60_000))
		if ps.swept != first {
			t.Error("swept again at once")
		}
		time.Sleep(time.Nanosecond)
		ps.get(addrNumber(60_001))
		if ps.swept == first || len(ps.table) < maxIdlePeers {
			t.Errorf("not swept after %v, or busy peers dropped: %d left", peerSweep, len(ps.table))
		}
	})
}

func TestUnmap(t *testing.T) {
	for from, want := range map[string]string{
		"[::ffff:192.0.2.7]:80": "192.0.2.7:80",
		"192.0.2.7:80":          "192.0.2.7:80",
		"[2001:db8::1]:80":      "[2001:db8::1]:80",
		"[fe80::1%lo]:80":       "[fe80::1%lo]:80",
	} {
		if got := unmap(netip.MustParseAddrPort(from)).String(); got != want {
			t.Errorf("%s: %s", from, got)
		}
	}
}

// kcp-go gives a session that takes over an address the peer of the one before. It
// keeps that one, whichever of beginning and end is told first.
func TestPeerOfTwoSessions(t *testing.T) {
	for _, order := range []string{"begins before the end", "ends before the beginning"} {
		server := listening(t)
		hear := func(conv, sn uint32) { admit(server, seg(conv, 81, sn, 0, "data"), addrNumber(1))() }
		hear(1, 0)
		p := server.peers.get(addrNumber(1))
		server.Hold(p)
		hear(2, 0)
		if order == "begins before the end" {
			server.Hold(p)
			server.Forget(p)
		} else {
			server.Forget(p)
			hear(2, 1)
			server.Hold(p)
		}
		before := p.Activity()
		if hear(2, 2); p.Activity() == before {
			t.Errorf("%s: the new session's peer hears nothing", order)
		}
		if server.Forget(p); len(server.peers.table) != 0 {
			t.Errorf("%s: %d peers are left", order, len(server.peers.table))
		}
	}
}

// A session may be silent for longer than a peer without one is kept.
func TestPeersSweepKeepsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := listening(t)
		hear := func(n int) { admit(server, seg(1, 81, 0, 0, "data"), addrNumber(n))() }
		hear(1)
		p := server.peers.get(addrNumber(1))
		server.Hold(p)
		for n := range maxIdlePeers {
			hear(2 + n)
		}
		woken := false
		p.OnWake(func() { woken = true }) // its session is asleep
		time.Sleep(peerIdle + time.Second)
		hear(2 + maxIdlePeers) // sweeps
		if hear(1); !woken {
			t.Error("a session that is asleep is not woken by what comes")
		}
	})
}
