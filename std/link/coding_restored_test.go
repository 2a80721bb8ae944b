package link

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/carrier"
)

// window changes the window that the segments of a packet tell.
func window(packet []byte, wnd uint16) []byte {
	packet = bytes.Clone(packet)
	for b := packet; len(b) >= segHeader; b = b[segHeader+binary.LittleEndian.Uint32(b[20:]):] {
		binary.LittleEndian.PutUint16(b[6:], wnd)
	}
	return packet
}

// The window that a restored packet tells is old. What kcp-go is told is the peer's
// last word.
func TestRestoredPacketTellsTheLastWindow(t *testing.T) {
	lost := join(seg(7, 81, 1, 0, "one"), seg(7, 81, 2, 0, "two"))
	for _, word := range []uint16{1234, 0, 0xffff} {
		in := newIntake(t, 3, 1)
		first, last := seg(7, 81, 0, 0, "zero"), window(seg(7, 81, 3, 0, "three"), word)
		wire := codedGroup(1, first, lost, last)
		got := in.hear(wire[0], wire[2], wire[3])
		in.expect(fmt.Sprint("the window ", word), got, first, last, window(lost, word))
	}
}

// stamped changes the time in a segment.
func stamped(segment []byte, ahead uint32) []byte {
	segment = bytes.Clone(segment)
	binary.LittleEndian.PutUint32(segment[8:], binary.LittleEndian.Uint32(segment[8:])+ahead)
	return segment
}

// KCP takes no round trip from a restored acknowledgement, nor from one that comes late
// or is played again, and no window from a packet that reaches less far than another. What
// is news in them it gets.
func TestOldPacketsTellNothingOld(t *testing.T) {
	const conv, una, week = 7, 100, 1 << 30
	ack := func(sn, una uint32) []byte { return seg(conv, 82, sn, una, "") }
	tell := func(sn, una uint32) []byte { return seg(conv, 84, sn, una, "") } // what is left of it
	push := func(una uint32) []byte { return seg(conv, 81, 5, una, "data") }
	for _, c := range []struct {
		name     string
		packet   []byte
		heard    []byte // what becomes of it where it comes by itself; nil: nothing
		restored []byte
	}{
		{"the next ack", ack(una, una+1), nil, window(tell(una, una+1), 54)},
		{"an ack with a gap before it", ack(120, una), nil, stamped(ack(120, una), week)},
		{"two of them", join(ack(120, una), ack(122, una)), nil, join(ack(120, una), stamped(ack(122, una), week))},
		{"known by una", ack(una-1, una), window(tell(una-1, una), 55), tell(una-1, una)},
		{"known, and news", join(ack(una-1, una), ack(120, una)), nil, join(tell(una-1, una), stamped(ack(120, una), week))},
		{"news, and known", join(ack(120, una), ack(una-1, una)), window(join(ack(120, una), tell(una-1, una)), 55), join(stamped(ack(120, una), week), tell(una-1, una))},
		{"before data", join(ack(una-1, una), push(una)), join(tell(una-1, una), push(una)), join(tell(una-1, una), push(una))},
		{"data alone", push(una), nil, push(una)},
		{"an old ack", ack(una-5, una-4), window(tell(una-5, una-4), 55), window(tell(una-5, una-4), 55)},
		{"an old one with news", ack(120, una-4), window(stamped(ack(120, una-4), week), 55), window(stamped(ack(120, una-4), week), 55)},
		{"old data", push(una - 1), window(push(una-1), 55), window(push(una-1), 55)},
		{"a short rest behind it", join(ack(una-1, una), make([]byte, 23)), window(join(tell(una-1, una), make([]byte, 23)), 55), join(tell(una-1, una), make([]byte, 23))},
	} {
		before := func() *intakeOf {
			in := newIntake(t, 2, 1)
			in.hear(seg(conv, 81, 0, 0, "it begins"))
			in.peer().sent(parsed(seg(conv, 81, 199, 0, "x")))
			in.peer().confirmation.done.Store(true)
			in.hear(codedGroup(1, window(ack(una-1, una), 55), window(ack(una-1, una), 55))...)
			return in
		}
		in := before()
		if c.heard == nil {
			c.heard = c.packet
		}
		in.expect(c.name+", heard", in.hear(c.packet), c.heard)
		framed := moved(codedGroup(1, c.packet, c.packet), 1)
		in = before()
		in.expect(c.name+", heard with parity", in.hear(framed[0]), c.heard)
		in = before()
		got := in.hear(window(seg(conv, 83, 0, una, ""), 55), moved(codedGroup(1, window(seg(conv, 84, 0, una, ""), 55), c.packet), 1)[0], moved(codedGroup(1, window(seg(conv, 84, 0, una, ""), 55), c.packet), 1)[2])
		if parsed(c.restored).Window == 9 { // that of seg
			c.restored = window(c.restored, 55)
		}
		in.expect(c.name+", restored", got[2:], c.restored)
	}
}

// Packets of several peers can arrive at once. What is restored is its own peer's, and
// stays what it is while others are sent and received.
func TestRestoredPacketIsOfItsPeer(t *testing.T) {
	in := newIntake(t, 3, 1)
	p := pushes(7, 3)
	wire := codedGroup(1, p...)
	arrivals := func(w []byte) (inbox []carrier.Inbound) {
		for from := 1; from <= 3; from++ {
			inbox = append(inbox, carrier.Inbound{Data: bytes.Clone(w), Size: len(w), From: addrNumber(from)})
		}
		return inbox
	}
	waiting := slices.Concat(arrivals(wire[0]), arrivals(wire[3]), arrivals(wire[1]))
	in.link.in.refill = func() ([]carrier.Inbound, time.Duration, error) { return waiting, 1, nil }
	for n, want := range []struct{ from, packet int }{{1, 0}, {2, 0}, {3, 0}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 1}, {3, 2}} {
		for i := range 8 {
			peerOf(in.link, addrNumber(10+i), 1).Rest() // which needs memory again
		}
		size, from, err := in.link.ReadFrom(in.buf)
		if err != nil {
			t.Fatal(err)
		}
		if from.(*Peer).addr() != addrNumber(want.from) || !bytes.Equal(in.buf[:size], p[want.packet]) {
			t.Errorf("packet %d is from %v: %x, want number %d from %v", n, from, in.buf[:size], want.packet, addrNumber(want.from))
		}
		for i := range 24 {
			if _, err := in.link.WriteTo(seg(1, 81, 0, 0, textOf(1, 100)), peerOf(in.link, addrNumber(10+i/3), 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a restored packet acknowledges is no longer in flight.
func TestRestoredAckIsNoted(t *testing.T) {
	const conv = 7
	in := newIntake(t, 2, 1)
	in.hear(seg(conv, 81, 0, 0, "it begins"))
	for sn := range uint32(5) {
		in.peer().sent(parsed(seg(conv, 81, sn, 0, "x")))
	}
	in.peer().confirmation.done.Store(true)
	wire := codedGroup(1, seg(conv, 82, 0, 1, ""), seg(conv, 82, 4, 5, ""))
	if in.hear(wire[0]); in.peer().InFlight() != 4 {
		t.Fatalf("%d in flight", in.peer().InFlight())
	}
	if in.hear(wire[2]); in.peer().InFlight() != 0 {
		t.Errorf("%d in flight after all was acknowledged", in.peer().InFlight())
	}
}

// What does not fit together is counted and not returned.
func TestRestoredNonsenseIsRefused(t *testing.T) {
	good := pushes(7, 2)
	for _, c := range []struct {
		name  string
		lost  []byte
		spoil func(parity []byte) []byte
	}{
		{name: "no packet", lost: []byte("something that is no packet of KCP")},
		{name: "nothing", lost: nil},
		{name: "a packet with a header of its own", lost: withFEC(0xf1, good[0])},
		{name: "another conversation", lost: seg(8, 81, 0, 0, "data")},
		{name: "parity that is too short", lost: good[1], spoil: func(p []byte) []byte { return p[:20] }},
		{name: "a size that cannot be", lost: good[1], spoil: func(p []byte) []byte { p[7] ^= 0xff; return p }},
	} {
		in := newIntake(t, 2, 1)
		group := 0
		counts := grown(func() {
			wire := moved(codedGroup(1, good[0], c.lost), group)
			group++
			if c.spoil != nil {
				wire[2] = c.spoil(wire[2])
			}
			in.expect(c.name, in.hear(wire[0], wire[2]), good[0])
		}, &kcp.DefaultSnmp.FECErrs, &kcp.DefaultSnmp.FECRecovered)
		if counts[0] != 1 || counts[1] != 0 {
			t.Errorf("%s: %d errors and %d restored are counted", c.name, counts[0], counts[1])
		}
	}
}

// Data that was restored is to be acknowledged as any other.
func TestRestoredDataIsOwed(t *testing.T) {
	const conv = 7
	in := newIntake(t, 2, 1)
	in.hear(seg(conv, 81, 0, 0, "it begins"))
	in.peer().sent(parsed(seg(conv, 81, 0, 1, "x")))
	wire := codedGroup(1, seg(conv, 82, 0, 1, ""), seg(conv, 81, 1, 1, "lost"))
	if in.hear(wire[0]); in.peer().Owes() {
		t.Error("something is owed before it has come")
	}
	if in.hear(wire[2]); !in.peer().Owes() {
		t.Error("what was restored is not owed")
	}
	if in.peer().sent(parsed(seg(conv, 82, 1, 2, ""))); in.peer().Owes() {
		t.Error("something is owed after it was acknowledged")
	}
}

// And an acknowledgement that was restored is one.
func TestRestoredAckCounts(t *testing.T) {
	const conv = 7
	in := newIntake(t, 2, 1)
	in.peer().sent(parsed(seg(conv, 81, 0, 0, "x")))
	in.peer().confirmation.done.Store(true)
	wire := codedGroup(1, seg(conv, 84, 0, 0, ""), seg(conv, 82, 0, 1, ""))
	if in.hear(wire[0]); in.peer().InFlight() != 1 {
		t.Errorf("%d in flight", in.peer().InFlight())
	}
	if in.hear(wire[2]); in.peer().InFlight() != 0 {
		t.Errorf("%d in flight after the acknowledgement", in.peer().InFlight())
	}
}
