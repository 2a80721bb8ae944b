package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/clock"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// inShort calls Drain with little testkit.Patience.
func inShort(p *Peer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	return p.Drain(ctx, 30*time.Millisecond)
}

func drained(t *testing.T, p *Peer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	if err := p.Drain(ctx, 30*time.Millisecond); err != nil {
		t.Fatalf("not drained: %v, %d in flight", err, p.InFlight())
	}
}

func TestDrainWaitsForPausedPeer(t *testing.T) {
	for _, shards := range [][2]int{{0, 0}, {10, 3}} {
		opt, _ := options(newAES())
		opt.DataShards, opt.ParityShards = shards[0], shards[1]
		near, far := fakePair()
		client, server := fakeConns(t, near, far, opt)
		c, s := sessions(t, client, server)
		drained(t, client.Peer())

		near.cut.Store(true)
		far.cut.Store(true)
		data := testkit.RandomBytes(1, 50_000)
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "segments in flight", func() bool { return client.Peer().InFlight() > 0 })
		if err := inShort(client.Peer()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drained while nothing arrives: %v", err)
		}
		near.cut.Store(false)
		far.cut.Store(false)
		drained(t, client.Peer())
		if n := client.Peer().InFlight(); n != 0 {
			t.Errorf("%d in flight after draining", n)
		}
		got := make([]byte, len(data))
		if _, err := io.ReadFull(s, got); err != nil || string(got) != string(data) {
			t.Errorf("what was drained is not there: %v", err)
		}
	}
}

// A peer that has no room acknowledges all that it was sent; the rest waits in
// kcp-go. It is not drained, and closing then would lose the rest.
func TestDrainWaitsForRoom(t *testing.T) {
	opt, _ := options(newAES())
	near, far := fakePair()
	client, server := fakeConns(t, near, far, opt)
	c, s := sessions(t, client, server)
	s.SetWindowSize(32, 32) // small, and nobody reads
	if _, err := s.Write([]byte{'!'}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // which tells the client of it
		t.Fatal(err)
	}
	const size = 200 * 1300 // more than the window, less than the sender's queue
	if _, err := c.Write(testkit.RandomBytes(1, size)); err != nil {
		t.Fatal(err)
	}
	p := client.Peer()
	testkit.Eventually(t, "a full window", func() bool { return p.ledger.sndNext.Load() > 30 && p.InFlight() == 0 })
	if err := inShort(p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drained, and most of the data waits: %v", err)
	}
	if _, err := io.ReadFull(s, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	drained(t, p)
}

// What kcp-go still has in its queue when a session ends is not sent. It used to go on at the
// rate limit, for half a minute, beside the client's next session.
func TestNothingIsSentAfterTheEnd(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	opt.RateLimit = 100
	near, far := fakePair()
	_, server := fakeConns(t, near, far, opt)
	if !hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1)) {
		t.Fatal("the conversation does not begin")
	}
	p := server.in.last
	p.pacing.pacer.delay(rateBurst) // the burst is used up
	server.Forget(p)
	sends, done := far.sends.Load(), make(chan error, 1)
	go func() {
		var err error
		for sn := uint32(0); sn < 100 && err == nil; sn++ { // 1000 s at this limit
			_, err = server.WriteTo(seg(7, 81, sn, 1, string(make([]byte, 1000))), p)
		}
		done <- err
	}()
	if err := testkit.Within(t, "the queue is empty", done); err != nil || far.sends.Load() != sends {
		t.Errorf("%v, and %d datagrams were sent", err, far.sends.Load()-sends)
	}
}

// What waits for the rate limit is not drained, either.
func TestDrainWaitsForRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		opt.RateLimit = 100
		near, far := fakePair()
		client, _ := fakeConns(t, near, far, opt)
		p := client.Peer()
		p.pacing.pacer.delay(rateBurst) // the burst is used up
		const sn, conv = 1, 7
		go func() { // a lone packet of parity, then data: 5 s at this limit
			_, _ = client.WriteTo(withFEC(0xf2, make([]byte, 250)), p)
			_, _ = client.WriteTo(seg(conv, 81, sn, 0, string(make([]byte, 250))), p)
		}()
		synctest.Wait()
		start := time.Now()
		done := make(chan error)
		go func() { done <- p.Drain(t.Context(), 50*time.Millisecond) }()
		for p.InFlight() == 0 {
			select {
			case err := <-done:
				t.Fatalf("drained after %v, with data waiting: %v", time.Since(start), err)
			case <-time.After(10 * time.Millisecond):
			}
		}
		p.received(ackOf(conv, sn+1), 1, netip.Addr{})
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// ackOf is a peer's word that all below una has arrived.
func ackOf(conv, una uint32) *Packet {
	return &Packet{Kind: Segments, Conv: conv, Una: una, Window: 100}
}

func TestDrainEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		client, _ := fakeConns(t, near, far, opt)
		p := client.Peer()
		start := time.Now()
		if err := p.Drain(t.Context(), time.Second); err != nil || time.Since(start) < time.Second {
			t.Errorf("an idle peer: %v after %v", err, time.Since(start))
		}
		p.sent(parsed(seg(1, 81, 0, 0, "data")))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := p.Drain(ctx, time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a mute peer: %v", err)
		}
		go func() { time.Sleep(time.Second); client.Close() }()
		if err := p.Drain(t.Context(), time.Second); err != nil {
			t.Errorf("a closed link: %v", err)
		}
	})
}

// parsed is what is read of a packet; nothing of one that is none.
func parsed(packet []byte) *Packet {
	h, _ := ParsePacket(packet)
	return &h
}

func TestInFlight(t *testing.T) {
	p := newPeers(fakeServerAddr, Options{Sealer: crypt.Plain{}}, nil).only
	step := func(what string, want int, f func()) {
		t.Helper()
		f()
		if got := p.InFlight(); got != want {
			t.Errorf("%s: %d in flight, want %d", what, got, want)
		}
	}
	send := func(sn uint32) func() { return func() { p.sent(parsed(seg(1, 81, sn, 0, "x"))) } }
	ack := func(una uint32) func() { return func() { p.received(ackOf(1, una), 1, netip.Addr{}) } }
	step("nothing sent", 0, func() {})
	step("acks are no data", 0, func() { p.sent(parsed(seg(1, 82, 9, 9, ""))) })
	step("noise is no data", 0, func() { p.sent(parsed(make([]byte, 50))) })
	step("one", 1, send(0))
	step("four", 4, send(3))
	step("one again", 4, send(2))
	step("another conversation's", 4, func() { p.sent(parsed(seg(2, 81, 9, 0, "x"))) })
	step("two arrived", 2, ack(2))
	step("an old ack", 2, ack(1))
	step("all arrived", 0, ack(4))
	p.ledger.sndNext.Store(0xfffffffe)
	p.ledger.sndUna.Store(0xfffffffe)
	step("across the wrap", 4, send(1))
	step("acks across the wrap", 1, ack(1))
}

func TestHeard(t *testing.T) {
	opt, _ := options(newAES())
	near, far := fakePair()
	client, server := fakeConns(t, near, far, opt)
	if _, heard := client.Peer().Silence(); heard {
		t.Error("heard before anything was sent")
	}
	listener, err := kcp.ServeConn(nil, 0, 0, server)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	before := clock.Now()
	_, s := dialSession(t, client, listener)
	testkit.Eventually(t, "the client hears an ack", func() bool { _, heard := client.Peer().Silence(); return heard })
	served := s.RemoteAddr().(*Peer)
	for _, p := range []*Peer{client.Peer(), served} {
		if silence, heard := p.Silence(); !heard || silence < 0 || silence > clock.Now()-before {
			t.Errorf("silent for %v, began %v ago", silence, clock.Now()-before)
		}
	}
	// Datagrams that fail a check are not heard.
	heard := served.ledger.heard.Load()
	near.cut.Store(true)
	far.deliver(testkit.RandomBytes(1, 100), fakeClientAddr)
	testkit.Eventually(t, "the refusal", func() bool { return opt.Stats.SealFailures.Load() == 1 })
	if again := served.ledger.heard.Load(); again != heard {
		t.Error("noise was heard")
	}
}

// dialledPeer is the peer of a client's link, with what has it send and be sent to.
func dialledPeer(t *testing.T) (p *Peer, hear, write func(packet []byte)) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	client, _ := fakeConns(t, near, far, opt)
	p = client.Peer()
	hear = func(packet []byte) {
		t.Helper()
		packet = bytes.Clone(packet)
		shiftStamps(packet, cmdPush, stampGap) // the clocks of the ends differ
		far.peer.deliver(packet, far.addr)
		if _, _, err := client.ReadFrom(make([]byte, MaxDatagram)); err != nil {
			t.Fatal(err)
		}
	}
	write = func(packet []byte) {
		t.Helper()
		if _, err := client.WriteTo(packet, p); err != nil {
			t.Fatal(err)
		}
	}
	return p, hear, write
}

// What OnWake was given is called once, at whatever comes first: a packet from the peer
// or to it, of any kind, or Wake. The packet is counted by then: a session looks at
// Activity after OnWake, and would else miss what comes between the two.
func TestPeerWakes(t *testing.T) {
	p, hear, write := dialledPeer(t)
	write(seg(1, 81, 0, 0, "it begins"))
	for _, c := range []struct {
		name    string
		do      func()
		packets uint64
	}{
		{"data comes", func() { hear(seg(1, 81, 0, 0, "data")) }, 1},
		{"an acknowledgement comes", func() { hear(ackPacket(1, 1)) }, 1},
		{"the window is asked for", func() { hear(seg(1, 83, 0, 0, "")) }, 1},
		{"data goes", func() { write(seg(1, 81, 0, 0, "data")) }, 1},
		{"an acknowledgement goes", func() { write(ackPacket(1, 1)) }, 1},
		{"the window is told", func() { write(seg(1, 84, 0, 0, "")) }, 1},
		{"Wake", p.Wake, 0},
	} {
		before, calls := p.Activity(), 0
		p.OnWake(func() {
			calls++
			if n := p.Activity() - before; n != c.packets {
				t.Errorf("%s: %d packets are counted when it is called, want %d", c.name, n, c.packets)
			}
		})
		c.do()
		c.do()
		if calls != 1 {
			t.Errorf("%s: %d calls", c.name, calls)
		}
	}
}

// A peer owes nothing and is owed nothing when all data is acknowledged both ways.
func TestPeerOwes(t *testing.T) {
	p, hear, write := dialledPeer(t)
	for _, c := range []struct {
		name     string
		do       func()
		inFlight int
		owes     bool
	}{
		{"the conversation begins", func() { write(seg(1, 81, 0, 0, "data")) }, 1, false},
		{"data comes", func() { hear(seg(1, 81, 0, 0, "data")) }, 1, true},
		{"data goes that does not acknowledge it", func() { write(seg(1, 81, 1, 0, "data")) }, 2, true},
		{"data goes that does", func() { write(seg(1, 81, 2, 1, "data")) }, 3, false},
		{"a part is acknowledged", func() { hear(ackPacket(1, 2)) }, 1, false},
		{"all is", func() { hear(ackPacket(1, 3)) }, 0, false},
		{"data comes again", func() { hear(seg(1, 81, 0, 3, "data")) }, 0, false},
		{"data comes that is not the next", func() { hear(seg(1, 81, 2, 3, "data")) }, 0, true},
		{"and that before it", func() { hear(seg(1, 81, 1, 3, "data")) }, 0, true},
		{"both are acknowledged", func() { write(ackPacket(1, 3)) }, 0, false},
	} {
		c.do()
		if n, owes := p.InFlight(), p.Owes(); n != c.inFlight || owes != c.owes {
			t.Errorf("%s: %d in flight, owes %v; want %d, %v", c.name, n, owes, c.inFlight, c.owes)
		}
	}
}

// ackPacket acknowledges all below una.
func ackPacket(conv, una uint32) []byte { return seg(conv, 82, una-1, una, "") }
