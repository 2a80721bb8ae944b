package link

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"kcptun/std/clock"
	"kcptun/std/crypt"
)

// sendThrough has a link send a segment, and returns the stamp on the wire.
func sendThrough(t *testing.T, c *Conn, p *Peer, sent <-chan []byte, sn uint32) (stamp uint32) {
	t.Helper()
	if _, err := c.WriteTo(seg(7, 81, sn, 0, "data"), p); err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-sent:
		return binary.LittleEndian.Uint32(d[offsetTS:])
	case <-time.After(time.Minute):
		t.Fatal("nothing is sent")
		return 0
	}
}

// Numbers wrap after 2^32 segments, 5.7 TB. Where the next one is 0 again, a conversation
// does not begin again. A server used to draw another origin of its stamps then, so that all
// that its client acknowledged counted as its own packets, played back.
func TestNumbersWrapWhereWeSend(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	sent := make(chan []byte, 1)
	far.onSend = func(d []byte) { sent <- bytes.Clone(d) }
	_, server := fakeConns(t, near, far, opt)
	hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
	p := server.in.last
	first := sendThrough(t, server, p, sent, 0)
	p.ledger.sndNext.Store(0xffffffff)
	p.ledger.sndUna.Store(0xffffffff)
	for _, sn := range []uint32{0xffffffff, 0} {
		if stamp := sendThrough(t, server, p, sent, sn); stamp != first {
			t.Errorf("segment %#x has another origin of stamps", sn)
		}
		if !p.ledger.isOurs(first) {
			t.Errorf("after segment %#x our stamp is none of ours", sn)
		}
	}
}

// An old segment was news again as long as the next one expected was 0, and no stamp could be
// the peer's.
func TestNumbersWrapWhereWeReceive(t *testing.T) {
	client := inFlight(t)
	l, now := &client.Peer().ledger, clock.Now()
	data := func(sn uint32) []byte { return stamped(seg(7, 81, sn, 5, "data"), stampGap) }
	hearsAt(client, data(0), now)
	l.rcvNext.Store(0xffffffff)
	l.rcvUna.Store(0xffffffff)
	hearsAt(client, data(0xffffffff), now)
	if l.rcvNext.Load() != 0 {
		t.Fatal("the numbers do not wrap")
	}
	if old := parsed(data(0xfffffffe)); l.hasNews(old, now) {
		t.Error("an old segment is news")
	}
	if !l.mayBeTheirs(parsed(data(0)).Stamp, now) {
		t.Error("the peer's stamp is none of its own")
	}
}

// Nothing depends on how far the numbers have come: probes are sent, and a client that is
// disowned notices. Neither was so in the second half of the numbers.
func TestAllNumbersAreAlike(t *testing.T) {
	const wrap = 1 << 32
	for _, c := range []struct {
		una         uint64 // before it wraps; six segments are in flight in the end
		mayBeBehind bool   // una may be 0 in what a living server sends
	}{
		{5, false}, {wrap/2 - 3, false}, {wrap/2 + 1, false}, {wrap / 4 * 3, false}, {wrap - 7, false},
		{wrap - 6, true}, {wrap - 1, true}, {wrap, true}, {wrap + 1, false}, {wrap + wrap/2, false}, {2*wrap - 1, true},
	} {
		opt, _ := options(crypt.Plain{})
		opt.MTU = 1350
		near, far := fakePair()
		client, _ := fakeConns(t, near, nobody(far), opt)
		l := &client.Peer().ledger
		beginAt(client, 7)
		come := func(una uint64) {
			l.sndNext.Store(uint32(una + 5))
			hears(client, stamped(seg(7, 82, uint32(una-1), uint32(una), ""), stampGap), fakeServerAddr)
		}
		for una := uint64(1); una < c.una; una += 1 << 30 {
			come(una)
		}
		come(c.una)
		if got := l.sndUna.Load(); got != uint32(c.una) {
			t.Fatalf("una is %#x, want %#x", got, uint32(c.una))
		}
		last := uint32(c.una + 4)
		full := stamped(seg(7, 81, last+1, 0, strings.Repeat("x", baseSize-segHeader)), stampGap)
		if probe, _ := client.prepare(full, client.Peer(), new(Packet)); probe == nil {
			t.Errorf("una %#x: no probe is sent", c.una)
		}
		now := clock.Now()
		for i := range 2 {
			hearsAt(client, seg(7, 84, last, 0, ""), now+time.Duration(i)*disownedFor)
		}
		if got := client.Peer().IsForgotten(); got == c.mayBeBehind {
			t.Errorf("una %#x: taken for forgotten: %v", c.una, got)
		}
	}
}
