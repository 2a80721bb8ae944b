package fec

import (
	"bytes"
	"math"
	"testing"
)

// Groups continue where sequence numbers wrap.
func TestDecoderAcrossTheEnd(t *testing.T) {
	for _, c := range shapes {
		s, r := newSender(c), newReceiver(c)
		s.begin(s.code.end - 3*uint32(c.total()))
		for range 6 {
			wire := s.group()
			r.take(wire[1:]...)
			r.restored(t, c.String(), s, seqOf(wire[0]))
		}
	}
}

// An incomplete group before the wrap and one after it do not replace each other.
func TestDecoderKeepsGroupsApartAcrossTheEnd(t *testing.T) {
	for _, c := range shapes {
		if c.data < 2 {
			continue // a group of one is never incomplete
		}
		s, r := newSender(c), newReceiver(c)
		s.begin(s.code.end - 2*uint32(c.total()))
		var wire [][][]byte
		for range keepGroups {
			wire = append(wire, s.group())
		}
		for _, group := range wire {
			r.take(group[1])
		}
		r.take(wire[0][2:]...)
		r.take(wire[1][2:]...)
		clear(r.got)
		for _, group := range wire[2:] { // the newer ones are not to be hurt
			r.take(group[2 : c.data+1]...)
			r.restored(t, c.String(), s, seqOf(group[0]))
		}
	}
}

// A sequence number that no group can have belongs to no packet, and has no effect.
func TestDecoderIgnoresNumbersAtTheEnd(t *testing.T) {
	for _, c := range shapes {
		for _, seq := range []uint32{shared.get(c).end, math.MaxUint32} {
			for _, kind := range []uint16{kindData, kindParity} {
				s, r := newSender(c), newReceiver(c)
				wire := s.group()
				r.take(wire[1 : len(wire)-1]...)
				clear(r.got)
				stray := make([]byte, 100)
				putHeader(stray, seq, kind)
				if out := r.take(stray); out != (Outcome{}) {
					t.Errorf("%v: number %d of kind %#x: %+v", c, seq, kind, out)
				}
				wire = s.group()
				r.take(wire[1:]...)
				r.restored(t, c.String()+" behind a number at the end", s, seqOf(wire[0]))
			}
		}
	}
}

// A packet from far ahead, such as parity of an earlier conversation, does not make
// everything that follows too old.
func TestDecoderRecoversFromStrayNumber(t *testing.T) {
	for _, c := range []shape{{3, 2}, {10, 3}, {128, 128}} {
		s, r := newSender(c), newReceiver(c)
		wire := s.group()
		r.take(wire[1:]...)
		stray := bytes.Clone(wire[c.data])
		putHeader(stray, 1<<30/uint32(c.total())*uint32(c.total())+uint32(c.data), kindParity)
		r.take(stray)
		for came := 0; came < 2*MaxShards; came += len(wire) {
			wire = s.group()
			r.take(wire...)
		}
		clear(r.got)
		wire = s.group()
		r.take(wire[1:]...)
		r.restored(t, c.String()+" behind a stray number", s, seqOf(wire[0]))
	}
}

// Old packets do not reset the decoder as long as others arrive, however many there are.
func TestDecoderStaysAheadOfOldPackets(t *testing.T) {
	s, r := newSender(shape{3, 2}), newReceiver(shape{3, 2})
	old := s.group()
	for range 2 * keepGroups {
		r.take(s.group()...)
	}
	for range 2 * MaxShards {
		wire := s.group()
		r.take(wire[1], old[0], wire[2], wire[3])
		r.restored(t, "an old packet in its midst", s, seqOf(wire[0]))
	}
}

func TestDecoderRestarts(t *testing.T) {
	s, r := newSender(shape{3, 2}), newReceiver(shape{3, 2})
	s.begin(500_000)
	wire := s.group()
	r.take(wire[0], wire[1])
	r.Restart()
	s.Restart()
	for range 3 {
		wire = s.group()
		r.take(wire[1:]...)
		r.restored(t, "a new conversation", s, seqOf(wire[0]))
	}
	// What came of a group with the same number before has nothing to do with it.
	r.Restart()
	s.Restart()
	wire = s.group()
	r.take(wire[0], wire[2])
	r.Restart()
	s.Restart()
	wire = s.group()
	if out := r.take(wire[1]); out != (Outcome{Fresh: true}) {
		t.Errorf("a first packet leads to %+v", out)
	}
	r.take(wire[3:]...)
	r.restored(t, "a group with a number that was", s, 0, 2)
	// What was learned stays.
	s, r = newSender(shape{2, 1}), newReceiver(shape{3, 2})
	for range 10 {
		r.take(s.group()...)
	}
	r.Restart()
	s.Restart()
	r.take(s.group()[1:]...)
	r.restored(t, "a conversation of a peer that is known", s, 0)
}
