package link

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"kcptun/std/link/fec"

	"github.com/xtaci/kcp-go/v5"
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
// last word, where that is known, of the same conversation.
func TestRestoredPacketTellsTheLastWindow(t *testing.T) {
	const conv = 7
	lost := join(seg(conv, 81, 1, 0, "one"), seg(conv, 81, 2, 0, "two"))
	for _, c := range []struct {
		name string
		talk uint32 // the conversation that the link has sent data in; 0 is none
		word uint16
		want uint16
	}{
		{"the last word", conv, 1234, 1234},
		{"no room", conv, 0, 0},
		{"the widest", conv, 0xffff, 0xffff},
		{"no word", 0, 1234, 9},
		{"the word of another conversation", conv + 1, 1234, 9},
	} {
		in := newIntake(t, 3, 1)
		if c.talk != 0 {
			if _, err := in.link.WriteTo(seg(c.talk, 81, 0, 0, "x"), in.peer()); err != nil {
				t.Fatal(err)
			}
			in.hear(window(seg(c.talk, 84, 0, 0, ""), 55))
		}
		first, last := seg(conv, 81, 0, 0, "zero"), window(seg(conv, 81, 3, 0, "three"), c.word)
		wire := codedGroup(1, first, lost, last)
		got := in.hear(wire[0], wire[2], wire[3])
		in.expect(c.name, got, first, last, window(lost, c.want))
	}
}

// A restored acknowledgement is followed by one that kcp-go knows and that has the
// time of none it has sent, so that it takes no round-trip time from the packet.
func TestRestoredAckHasNoTime(t *testing.T) {
	const conv, una = 7, 100
	for _, c := range []struct {
		name string
		lost []byte
		ack  []byte // that is to be covered; nil is none
	}{
		{"an ack", seg(conv, 82, 120, una, ""), seg(conv, 82, 120, una, "")},
		{"some", join(seg(conv, 82, 120, una-1, ""), seg(conv, 82, 119, una, "")), seg(conv, 82, 119, una, "")},
		{"before data", join(seg(conv, 82, 120, una, ""), seg(conv, 81, 5, una, "data")), seg(conv, 82, 120, una, "")},
		{"data alone", seg(conv, 81, 5, una, "data"), nil},
		{"a window that is asked for", seg(conv, 83, 0, una, ""), nil},
		{"of nothing yet", seg(conv, 82, 0, 0, ""), seg(conv, 82, 0, 0, "")},
		{"with just the room for another", join(seg(conv, 82, 1, una, ""), seg(conv, 81, 5, una, textOf(1, MaxDatagram-3*segHeader))), seg(conv, 82, 1, una, "")},
		{"without room for another", join(seg(conv, 82, 1, una, ""), seg(conv, 81, 5, una, textOf(1, MaxDatagram-fec.Header-2*segHeader))), nil},
	} {
		in := newIntake(t, 2, 1)
		first := seg(conv, 81, 4, una, "first")
		wire := codedGroup(1, first, c.lost)
		got := in.hear(wire[0], wire[2])
		if len(got) != 2 || !bytes.HasPrefix(got[1], c.lost) {
			t.Errorf("%s: it is not restored: %x", c.name, got)
			continue
		}
		extra := got[1][len(c.lost):]
		if c.ack == nil {
			if len(extra) != 0 {
				t.Errorf("%s: %x follows", c.name, extra)
			}
			continue
		}
		if h, ok := ParsePacket(got[1]); !ok || h.Conv != conv || len(extra) != segHeader {
			t.Errorf("%s: %x is no packet", c.name, got[1])
			continue
		}
		was, is := segments(c.ack)[0], segments(extra)[0]
		was.sn = was.una - 1 // known by una
		if is != was {
			t.Errorf("%s: %+v follows, want %+v", c.name, is, was)
		}
		before, after := binary.LittleEndian.Uint32(c.ack[8:]), binary.LittleEndian.Uint32(extra[8:])
		if ahead := int32(after - before); ahead < 1<<29 { // a week
			t.Errorf("%s: its time is %d ms later", c.name, ahead)
		}
	}
}

// So it is with each of several that are restored together.
func TestRestoredAcksHaveNoTime(t *testing.T) {
	in := newIntake(t, 3, 2)
	lost := join(seg(7, 82, 120, 100, ""), seg(7, 81, 5, 100, textOf(1, 1000)))
	wire := codedGroup(2, seg(7, 81, 4, 100, "first"), lost, lost)
	got := in.hear(wire[0], wire[3], wire[4])
	if len(got) != 3 || len(got[1]) != len(lost)+segHeader || len(got[2]) != len(lost)+segHeader {
		t.Errorf("%d packets", len(got))
	}
}

// Packets of several peers can arrive at once. What is restored is its own peer's, and
// stays what it is while others are sent and received.
func TestRestoredPacketIsOfItsPeer(t *testing.T) {
	in := newIntake(t, 3, 1)
	p := pushes(7, 3)
	wire := codedGroup(1, p...)
	arrivals := func(w []byte) (inbox []inbound) {
		for from := 1; from <= 3; from++ {
			inbox = append(inbox, inbound{data: bytes.Clone(w), size: len(w), from: addrNumber(from)})
		}
		return inbox
	}
	waiting := slices.Concat(arrivals(wire[0]), arrivals(wire[3]), arrivals(wire[1]))
	in.link.in.refill = func() ([]inbound, int64, error) { return waiting, 1, nil }
	for n, want := range []struct{ from, packet int }{{1, 0}, {2, 0}, {3, 0}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 1}, {3, 2}} {
		for i := range 8 {
			in.link.peers.get(addrNumber(10 + i)).Rest() // which needs memory again
		}
		size, from, err := in.link.ReadFrom(in.buf)
		if err != nil {
			t.Fatal(err)
		}
		if from.String() != addrNumber(want.from).String() || !bytes.Equal(in.buf[:size], p[want.packet]) {
			t.Errorf("packet %d is from %v: %x, want number %d from %v", n, from, in.buf[:size], want.packet, addrNumber(want.from))
		}
		for i := range 24 {
			if _, err := in.link.WriteTo(seg(1, 81, 0, 0, textOf(1, 100)), in.link.peers.get(addrNumber(10+i/3))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a restored packet acknowledges is no longer in flight.
func TestRestoredAckIsNoted(t *testing.T) {
	const conv = 7
	in := newIntake(t, 2, 1)
	for sn := range uint32(5) {
		if _, err := in.link.WriteTo(seg(conv, 81, sn, 0, "x"), in.peer()); err != nil {
			t.Fatal(err)
		}
	}
	wire := codedGroup(1, seg(conv, 82, 0, 1, ""), seg(conv, 82, 4, 5, ""))
	if in.hear(wire[0]); in.peer().InFlight() != 4 {
		t.Fatalf("%d in flight", in.peer().InFlight())
	}
	if in.hear(wire[2]); in.peer().InFlight() != 0 {
		t.Errorf("%d in flight after all was acknowledged", in.peer().InFlight())
	}
}

// What does not fit together is counted and not handed out.
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
	write := func(packet []byte) {
		if _, err := in.link.WriteTo(packet, in.peer()); err != nil {
			t.Fatal(err)
		}
	}
	write(seg(conv, 81, 0, 0, "x"))
	wire := codedGroup(1, seg(conv, 82, 0, 1, ""), seg(conv, 81, 0, 1, "lost"))
	if in.hear(wire[0]); in.peer().Owes() {
		t.Error("something is owed before it has come")
	}
	if in.hear(wire[2]); !in.peer().Owes() {
		t.Error("what was restored is not owed")
	}
	if write(seg(conv, 82, 0, 1, "")); in.peer().Owes() {
		t.Error("something is owed after it was acknowledged")
	}
}

// And an acknowledgement that was restored is one.
func TestRestoredAckCounts(t *testing.T) {
	const conv = 7
	in := newIntake(t, 2, 1)
	if _, err := in.link.WriteTo(seg(conv, 81, 0, 0, "x"), in.peer()); err != nil {
		t.Fatal(err)
	}
	wire := codedGroup(1, seg(conv, 84, 0, 0, ""), seg(conv, 82, 0, 1, ""))
	if in.hear(wire[0]); in.peer().InFlight() != 1 {
		t.Errorf("%d in flight", in.peer().InFlight())
	}
	if in.hear(wire[2]); in.peer().InFlight() != 0 {
		t.Errorf("%d in flight after the acknowledgement", in.peer().InFlight())
	}
}
