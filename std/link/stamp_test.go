package link

import (
	"bytes"
	"encoding/binary"
	"testing"

	"kcptun/std/carrier"
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
