package fec

import (
	"fmt"
	"testing"
)

// A receiver that was not there from the start, such as a restarted server, restores
// nothing from before the first packet that it heard. Otherwise the target could get a
// request twice.
func TestNothingIsRestoredFromBeforeTheFirstPacket(t *testing.T) {
	c := shape{4, 3}
	end := uint32(0xffffffff / 7 * 7)
	for _, first := range []uint32{0, 7, floorReach / 7 * 7, end - 7} {
		for floor := range uint32(c.data) {
			s, r := newSender(c), newReceiver(c)
			s.begin(first)
			wire := append(s.group(), s.group()...)
			r.From(first + floor)
			r.take(wire[floor])
			r.take(wire[4:7]...) // its parity: enough for all of the group
			var want []uint32
			for i := floor + 1; i < uint32(c.data); i++ {
				want = append(want, first+i)
			}
			what := fmt.Sprintf("from %d of a group that begins with %d", floor, first)
			r.restored(t, what, s, want...)
			next := first + 7
			if next == end {
				next = 0
			}
			r.take(wire[10:]...)
			r.restored(t, what+", the next group", s, next, next+1, next+2)
		}
	}
}

// The floor does not turn into a ceiling when sequence numbers have advanced halfway
// around, or all the way.
func TestFloorOfLongConversation(t *testing.T) {
	c := shape{4, 3}
	s, r := newSender(c), newReceiver(c)
	s.begin(14)
	r.From(15)
	const steps = 37
	for i := range 3 * steps {
		s.begin(uint32((14+uint64(i)*(1<<32/steps/7*7))%(0xffffffff/7*7)) / 7 * 7)
		first := s.next
		wire := s.group()
		r.take(wire[2:6]...)
		if i == 0 {
			r.restored(t, "the first group", s, 15)
			continue
		}
		r.restored(t, fmt.Sprintf("step %d, the group that begins with %d", i, first), s, first, first+1)
	}
}

// Parity that does not belong to this conversation, such as a replayed packet, does not
// disable restoring, whether its number is far ahead or belongs to data.
func TestForeignParityLeavesRestoring(t *testing.T) {
	c := shape{4, 3}
	foreign := func(seq uint32) []byte {
		p := make([]byte, 60)
		putHeader(p, seq, kindParity)
		return p
	}
	for name, at := range map[string]uint32{"far ahead": 7*1000 + 5, "where data belongs": 1, "far ahead, where data belongs": 7*1000 + 1} {
		s, r := newSender(c), newReceiver(c)
		r.take(s.group()...)
		for i := range 20 {
			first := s.next
			r.take(foreign(first + at))
			r.take(s.group()[1:]...)
			r.restored(t, fmt.Sprint(name, ", group ", i), s, first)
		}
	}
}

// Nor does parity whose numbers rise, each a little above the one before: it made all that
// followed too old, for some 230 packets.
func TestRisingForeignParityLeavesRestoring(t *testing.T) {
	for _, c := range []shape{{4, 3}, {10, 3}, {2, 1}} {
		s, r := newSender(c), newReceiver(c)
		r.take(s.group()...)
		rising := s.next + uint32(100*c.total()) // so that it comes ahead of every group
		for ahead := s.next + uint32(c.total()); ahead < rising; ahead += uint32(c.total()) {
			p := make([]byte, 60)
			putHeader(p, ahead+uint32(c.data), kindParity)
			r.Decode(p, func([]byte) {})
		}
		clear(r.got)
		for i := range 2 * keepGroups {
			first := s.next
			if r.take(s.group()[1:]...); i == 0 || i >= keepGroups { // those between are spoilt
				r.restored(t, fmt.Sprint(c, ", group ", i), s, first)
			}
			clear(r.got)
		}
	}
}
