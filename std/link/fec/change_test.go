package fec

import (
	"bytes"
	"testing"
)

// Groups of another shape start where the current one ends, at a multiple of their size. A
// receiver that has long seen the earlier shape restores again soon, because the latest
// whole group reveals the new one. It once took the earlier shape for the current one as
// long as it remembered such a group, for several hundred packets.
func TestEncoderChangesShape(t *testing.T) {
	for _, c := range [][2]shape{
		{{10, 6}, {10, 4}}, {{10, 4}, {10, 6}}, {{5, 2}, {10, 3}}, {{10, 3}, {5, 3}}, {{3, 1}, {200, 50}}, {{2, 2}, {2, 2}},
	} {
		s, r := newSender(c[0]), newReceiver(c[0])
		for range 40 {
			r.take(s.group()...)
		}
		r.take(s.send(s.packet())...)
		s.Change(c[1].data, c[1].parity)
		for range c[0].data - 1 { // the open group
			wire := s.send(s.packet())
			if seq := seqOf(wire[0]); int(seq)%c[0].total() >= c[0].data {
				t.Fatalf("%v: packet %d is not of a group as before", c, seq)
			}
			r.take(wire...)
		}
		for group := range 20 {
			var wire [][]byte
			for range c[1].data {
				wire = append(wire, s.send(s.packet())...)
			}
			if len(wire) != c[1].total() || int(seqOf(wire[0]))%c[1].total() != 0 {
				t.Fatalf("%v: a group of %d begins with %d", c, len(wire), seqOf(wire[0]))
			}
			lost := seqOf(wire[0])
			if group < 3 { // what the receiver finds the shape by
				r.take(wire...)
				clear(r.got) // what it restored by the former shape, the link does not take for packets
				continue
			}
			r.take(wire[1:]...)
			r.restored(t, "after the change", s, lost)
		}
	}
}

// An impossible change has no effect.
func TestEncoderKeepsItsShape(t *testing.T) {
	s := newSender(shape{3, 2})
	for _, c := range []shape{{0, 0}, {3, 0}, {0, 2}, {250, 7}, {-1, 5}, {3, 2}} {
		s.Change(c.data, c.parity)
		if wire := s.group(); len(wire) != 5 {
			t.Errorf("%v: %d packets of a group", c, len(wire))
		}
	}
}

// A packet of a former shape that was played again cast doubt on the present one, and made
// the decoder forget what it had begun. One in each group turned error correction off.
func TestReplayOfFormerShape(t *testing.T) {
	former, now := shape{5, 2}, shape{10, 3}
	for _, every := range []int{1, 5, 100} { // packets
		s, r := newSender(former), newReceiver(former)
		var recording []byte // data with a number of parity now
		for range 40 {
			wire := s.group()
			for _, w := range wire {
				if seqOf(w)%13 >= 10 && w[kindOffset] == 0xf1 {
					recording = bytes.Clone(w)
				}
			}
			r.take(wire...)
		}
		for range 100 { // so that the recording is old
			r.take(s.group()...)
		}
		s.Change(now.data, now.parity)
		sent, lost, restored := 0, 0, 0
		for group := range 150 {
			var gap uint32
			for i := range now.data {
				for _, w := range s.send(s.packet()) {
					if sent++; sent%every == 0 {
						r.take(recording)
					}
					if group >= 50 && group%3 == 0 && i == group%10 && w[kindOffset] == 0xf1 {
						gap = seqOf(w)
						lost++
						continue
					}
					r.take(w)
				}
			}
			if _, ok := r.got[gap]; ok && gap > 0 {
				restored++
			}
		}
		if restored != lost || lost == 0 {
			t.Errorf("played again after every %d packets: %d of %d lost packets are restored", every, restored, lost)
		}
	}
}
