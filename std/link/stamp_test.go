package link

import (
	"bytes"
	"encoding/binary"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// rerun is a server after a start, which has heard the first packet of a client and sent
// data, at the time of seg by its own clock.
func rerun(t *testing.T) (c *Conn, p *Peer, onWire []byte) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	sent := make(chan []byte, 1)
	far.onSend = func(d []byte) { sent <- bytes.Clone(d) }
	_, c = fakeConns(t, near, far, opt)
	if !hears(c, seg(7, 81, 0, 0, "data"), addrNumber(1)) {
		t.Fatal("it does not begin")
	}
	p = c.in.last
	if _, err := c.WriteTo(seg(7, 81, 0, 1, "data"), p); err != nil {
		t.Fatal(err)
	}
	return c, p, testkit.Within(t, "the data is sent", sent)
}

// answerTo acknowledges data as the other end does, with its stamp.
func answerTo(data []byte) []byte {
	ack := seg(7, 82, 0, 1, "")
	copy(ack[offsetTS:offsetSN], data[offsetTS:])
	return ack
}

// KCP's clock begins with the program. An acknowledgement that was recorded of one run
// of the server confirmed a conversation at the same time of the next, for somebody who
// does not hear it.
func TestRecordedAckOfAnotherRunDoesNotConfirm(t *testing.T) {
	first, p, data := rerun(t)
	recorded := answerTo(data)
	packet, _ := first.in.admit(bytes.Clone(recorded), &carrier.Inbound{From: addrNumber(1)})
	if !p.confirmation.done.Load() {
		t.Error("who has heard it does not confirm")
	}
	if !bytes.Equal(packet, seg(7, 82, 0, 1, "")) {
		t.Errorf("KCP gets %x for its own stamp", packet)
	}
	second, p, data := rerun(t)
	if second.in.admit(bytes.Clone(recorded), &carrier.Inbound{From: addrNumber(1)}); p.confirmation.done.Load() {
		t.Error("an acknowledgement of the run before confirms")
	}
	if second.in.admit(answerTo(data), &carrier.Inbound{From: addrNumber(1)}); !p.confirmation.done.Load() {
		t.Error("one of this run does not confirm")
	}
}

// Restored acknowledgements come out with KCP's own stamps, and other segments as they
// came.
func TestStampsOfRestoredPackets(t *testing.T) {
	for _, lost := range []int{0, 1} {
		in := newIntake(t, 2, 1)
		in.peer().shift.Store(1 << 31)
		wire := codedGroup(1, seg(7, 81, 0, 0, "begins"), stamped(join(seg(7, 82, 1, 0, ""), seg(7, 81, 1, 0, "data")), 1<<31))
		in.hear(wire[0])
		in.peer().confirmation.done.Store(true)
		in.peer().sent(parsed(stamped(seg(7, 81, 1, 1, "data"), 1<<31)))
		out := in.hear(wire[1+lost])
		if len(out) != 1 {
			t.Fatalf("%d packets", len(out))
		}
		got := out[0][:segHeader]
		ts := binary.LittleEndian.Uint32(got[offsetTS:])
		if lost == 1 {
			ts -= 1 << 30 // see markStale
		}
		if got[offsetCmd] != cmdAck || ts != binary.LittleEndian.Uint32(seg(7, 82, 1, 0, "")[offsetTS:]) {
			t.Errorf("lost %d: %x", lost, got)
		}
	}
}

func FuzzShiftStamps(f *testing.F) {
	f.Add(seg(7, 82, 0, 1, ""), uint32(5))
	f.Add(join(seg(7, 81, 0, 1, "data"), seg(7, 82, 0, 1, "")), uint32(1<<31))
	f.Add(claim(seg(7, 82, 0, 1, ""), 1<<31), uint32(1))
	f.Fuzz(func(t *testing.T, packet []byte, by uint32) {
		shifted := bytes.Clone(packet)
		shiftStamps(shifted, cmdAck, by)
		shiftStamps(shifted, cmdAck, -by)
		if !bytes.Equal(shifted, packet) {
			t.Errorf("%x became %x", packet, shifted)
		}
	})
}

// One damaged stamp, as none shows without a seal, moved the clock of the peer by up to 24
// days. For that long no data was later, and nothing was restored.
func TestDamagedStampIsNotBelieved(t *testing.T) {
	const second, day = 1000, 24 * 60 * 60 * 1000
	for _, c := range []struct {
		name   string
		stamps []uint32 // of new data, all of it now, in ms after the first
		want   uint32   // what the clock of the peer shows now, in the same way
	}{
		{"undamaged", []uint32{0, 1, 2}, 2},
		{"ahead", []uint32{0, 20 * day, 1}, 1},
		{"behind", []uint32{0, ^uint32(0) - 20*day, 1}, 1},
		{"the first", []uint32{20 * day, 1, 2}, 2},
		{"the first two", []uint32{20 * day, 10 * day, 1, 2}, 2},
		{"every second", []uint32{0, 20 * day, 1, 10 * day, 2, 5 * day, 3}, 3},
		{"several in a row", []uint32{0, 20 * day, 10 * day, 5 * day, 1}, 1},
		{"none: the peer has slept", []uint32{0, 20 * day, 20*day + second}, 20*day + second},
		{"none: we have", []uint32{0, ^uint32(0) - 20*day, ^uint32(0) - 20*day + second}, ^uint32(0) - 20*day + second},
	} {
		client := inFlight(t)
		l, now := &client.Peer().ledger, clock.Now()
		data := func(sn int, after uint32) []byte {
			return stamped(seg(7, 81, uint32(sn), 5, "data"), stampGap+after)
		}
		for sn, stamp := range c.stamps {
			hearsAt(client, data(sn, stamp), now)
		}
		again := parsed(data(0, c.want+second))
		if !l.isLater(again, now) {
			t.Errorf("%s: what is sent again now is not later", c.name)
		}
		if !l.mayBeTheirs(again.Stamp, now) {
			t.Errorf("%s: what is restored now has no time that can be right", c.name)
		}
		if off := l.rcvStamp.Load() - again.Stamp + second; int32(off) > 0 {
			t.Errorf("%s: the latest stamp is %d ms ahead", c.name, off)
		}
	}
}

// Error correction goes on after a damaged stamp, without a seal.
func TestRestoringAfterDamagedStamp(t *testing.T) {
	in := newIntake(t, 4, 1)
	p := pushes(7, 12)
	wire := codedGroup(1, p[:4]...)
	in.hear(wire...)
	damaged := stamped(p[4], 1<<30)
	in.expect("the damaged group", in.hear(moved(codedGroup(1, damaged, p[5], p[6], p[7]), 1)...), damaged, p[5], p[6], p[7])
	wire = moved(codedGroup(1, p[8:]...), 2)
	in.expect("the next one", in.hear(wire[0], wire[1], wire[3], wire[4]), p[8], p[9], p[11], p[10])
}

// The engine of mode auto raises the time of a segment that it sends again within a
// millisecond. If another followed it in the packet, its acknowledgement was taken for one of
// ours, played back.
func TestLatestStampOfPacket(t *testing.T) {
	server, p := livingAt(t)
	p.sent(parsed(join(stamped(ofServer(seg(7, 81, 9, 3, "again")), 2), stamped(ofServer(seg(7, 81, 10, 3, "new")), 1))))
	if !hears(server, stamped(ofServer(seg(7, 82, 9, 5, "")), 2), addrNumber(1)) {
		t.Error("the acknowledgement is refused")
	}
}
