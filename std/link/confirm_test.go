package link

import (
	"bytes"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// A client's acknowledgement was lost, and its next data reported all the same that
// everything had arrived. KCP had nothing to retransmit then, the client nothing to
// acknowledge, and its session stopped after 64 segments for good.
func TestLostAckKeepsNobodyOut(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	var passed atomic.Bool // the word that all has arrived, without an acknowledgement
	near.onSend = func(d []byte) {
		h := parsed(d)
		if h.Una > 0 && !h.Acked {
			passed.Store(true)
		}
		near.cut.Store(h.Acked && !passed.Load())
	}
	client, server := fakeConns(t, near, far, opt)
	c, s := sessions(t, client, server)
	if _, err := s.Write([]byte{'!'}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	size := 100 * 1300 // more than maxEarly segments
	if _, err := c.Write(testkit.RandomBytes(1, size)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(s, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	testkit.Within(t, "the proof", s.RemoteAddr().(*Peer).Confirmed())
	if !passed.Load() {
		t.Error("nothing passed that lacks an acknowledgement")
	}
}

// Of a peer that is not confirmed, KCP gets no word of what has arrived until a packet proves
// that the peer hears us. That packet may hold any data.
func TestAcksWithoutProofAreWithheld(t *testing.T) {
	c, p, data := rerun(t)
	proof := answerTo(data)
	forged := seg(7, 82, 0, 1, "") // not our stamp
	late := seg(7, 81, maxEarly+5, 1, "data")
	if hears(c, late, addrNumber(1)) {
		t.Error("much data without proof is admitted")
	}
	for _, s := range []struct {
		name      string
		in, want  []byte
		confirmed bool
	}{
		{"una", seg(7, 81, 1, 1, "data"), seg(7, 81, 1, 0, "data"), false},
		{"a forged acknowledgement", join(forged, seg(7, 81, 2, 1, "data")), nil, false},
		{"proof before much data", join(proof, late), join(seg(7, 82, 0, 1, ""), late), true},
		{"una afterwards", seg(7, 81, 3, 1, "data"), seg(7, 81, 3, 1, "data"), true},
	} {
		got := packetFrom(c, s.in, addrNumber(1))
		if !bytes.Equal(got, s.want) {
			t.Errorf("%s: KCP gets\n%x, want\n%x", s.name, got, s.want)
		}
		if acked := p.InFlight() == 0; p.confirmation.done.Load() != s.confirmed || acked != s.confirmed {
			t.Errorf("%s: confirmed %v, all acknowledged %v", s.name, p.confirmation.done.Load(), acked)
		}
	}
}

// packetFrom hands a link a copy of one datagram, and returns what KCP gets of it.
func packetFrom(c *Conn, datagram []byte, from netip.AddrPort) []byte {
	d := bytes.Clone(datagram)
	packet, _ := c.in.admit(d, &carrier.Inbound{Data: d, Size: len(d), From: from})
	return packet
}

// The same holds for packets that error correction restores.
func TestRestoredAcksWithoutProofAreWithheld(t *testing.T) {
	in := newIntake(t, 2, 1)
	wire := codedGroup(1, seg(7, 81, 0, 0, "begins"), seg(7, 81, 1, 1, "data"))
	in.hear(wire[0])
	in.peer().sent(parsed(seg(7, 81, 0, 1, "data")))
	out := in.hear(wire[2])
	if len(out) != 1 || !bytes.Equal(out[0], seg(7, 81, 1, 0, "data")) {
		t.Errorf("KCP gets %x", out)
	}
	if in.peer().InFlight() != 1 {
		t.Error("all that was sent counts as acknowledged")
	}
}

func FuzzWithholdAcks(f *testing.F) {
	f.Add(seg(7, 82, 0, 1, ""))
	f.Add(join(seg(7, 82, 0, 1, ""), seg(7, 81, 0, 1, "data")))
	f.Fuzz(func(t *testing.T, packet []byte) {
		var before, after Packet
		if !before.parseSegments(packet) {
			t.Skip()
		}
		withholdAcks(packet, 0)
		if !after.parseSegments(packet) || int32(after.Una) > 0 || after.Acked || after.Push != before.Push || after.Next != before.Next || after.Window != before.Window {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}
