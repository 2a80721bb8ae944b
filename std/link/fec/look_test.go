package fec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// late reorders packets so that none is overtaken by more than a few.
func late(rnd *rand.Rand, wire [][]byte, by int) [][]byte {
	type entry struct {
		at int
		w  []byte
	}
	var list []entry
	for i, w := range wire {
		list = append(list, entry{i + rnd.IntN(by+1), w})
	}
	slices.SortStableFunc(list, func(a, b entry) int { return a.at - b.at })
	out := make([][]byte, len(list))
	for i, e := range list {
		out[i] = e.w
	}
	return out
}

// lossy drops a percentage of the packets.
func lossy(rnd *rand.Rand, wire [][]byte, percent int) [][]byte {
	return slices.DeleteFunc(slices.Clone(wire), func([]byte) bool { return rnd.IntN(100) < percent })
}

// A peer's different shape is discovered, whether the peer is heard from its first packet
// or only later, and what it then loses is restored.
func TestDecoderLearnsTheShape(t *testing.T) {
	for _, ours := range []shape{{10, 3}, {0, 0}, {3, 2}, {255, 1}} {
		for _, theirs := range []shape{{5, 2}, {1, 1}, {2, 1}, {1, 3}, {10, 3}, {10, 4}, {20, 10}, {70, 30}, {128, 128}, {255, 1}, {1, 255}} {
			for _, how := range []struct {
				name       string
				skip       int // packets before the first that is heard
				late, loss int
			}{
				{name: "from the first packet"},
				{name: "from the middle", skip: 3*theirs.total() + theirs.total()/2},
				{name: "reordered", late: 6},
				{name: "reordered, from the middle", skip: 3*theirs.total() + 1, late: 6},
				{name: "with loss", loss: 5},
			} {
				if how.loss > 0 && theirs.total() > 20 {
					continue // a whole group of so many hardly ever comes
				}
				t.Run(fmt.Sprintf("%v of %v %s", ours, theirs, how.name), func(t *testing.T) {
					rnd := rand.New(rand.NewPCG(5, 6))
					s, r := newSender(theirs), newReceiver(ours)
					s.begin(uint32(how.skip / theirs.total() * theirs.total()))
					groups := max(4, 4*lookEvery/theirs.total()+2)
					if how.loss > 0 {
						groups = 200
					}
					var wire [][]byte
					for range groups {
						for range theirs.data {
							wire = append(wire, s.send(s.sized(20))...)
						}
					}
					wire = wire[how.skip%theirs.total():]
					r.take(lossy(rnd, late(rnd, wire, how.late), how.loss)...)
					if r.doubt || r.code.shape != theirs {
						t.Fatalf("after %d packets: doubt %v, the shape is %v", len(wire), r.doubt, r.code)
					}
					clear(r.got)
					wire = s.group()
					r.take(wire[1:]...)
					r.restored(t, "then", s, seqOf(wire[0]))
				})
			}
		}
	}
}

// Discovery takes no longer than necessary: the first group, and a few packets.
func TestDecoderLearnsSoon(t *testing.T) {
	for _, theirs := range []shape{{5, 2}, {1, 1}, {20, 10}, {200, 56}} {
		s, r := newSender(theirs), newReceiver(shape{})
		packets := 0
		for r.doubt && packets < 10*MaxShards {
			for _, w := range s.group() {
				if r.doubt {
					r.take(w)
					packets++
				}
			}
		}
		if most := theirs.total() + 1 + lookEvery; packets > most {
			t.Errorf("%v: after %d packets, most are %d", theirs, packets, most)
		}
	}
}

// Packets of an earlier conversation are not mixed up with current ones, so no shape is
// found that never existed. While the shape is unknown, no memory is held.
func TestDecoderLearnsOfOneConversation(t *testing.T) {
	was, is := shape{5, 1}, shape{3, 2}
	s, r := newSender(was), newReceiver(was)
	for range 10 {
		r.take(s.group()...)
	}
	r.Restart()
	s = newSender(is)
	for range 10 {
		for _, w := range s.group() {
			r.take(w)
			if r.code.shape != was && r.code.shape != is {
				t.Fatalf("%v is learned at %d", r.code.shape, seqOf(w))
			}
			if _, open := r.Groups(); r.doubt && open > 0 {
				t.Fatalf("%d groups hold memory at %d", open, seqOf(w))
			}
		}
	}
	if r.doubt || r.code.shape != is {
		t.Errorf("the shape is %v", r.code.shape)
	}
}

// A peer may switch to another shape.
func TestDecoderLearnsAgain(t *testing.T) {
	r := newReceiver(shape{10, 3})
	at := uint32(0)
	for _, theirs := range []shape{{10, 3}, {5, 2}, {10, 3}, {4, 4}} {
		s := newSender(theirs)
		s.begin((at/uint32(theirs.total()) + 1) * uint32(theirs.total()))
		for s.next-at < 2*lookBack { // what was before is out of sight then
			r.take(s.group()...)
		}
		if r.doubt || r.code.shape != theirs {
			t.Fatalf("the shape is %v, and %v is learned", theirs, r.code.shape)
		}
		clear(r.got)
		wire := s.group()
		r.take(wire[1:]...)
		r.restored(t, theirs.String(), s, seqOf(wire[0]))
		at = s.next
	}
}

// A shape that is found is correct, whatever the shape, the place in the sequence, the
// order, the loss and the skipped parity. Without those disturbances it is always found.
func TestLookFindsNothingWrong(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 150 {
		total := 2 + rnd.IntN([]int{5, 20, MaxShards - 1}[rnd.IntN(3)])
		theirs := shape{data: 1 + rnd.IntN(total-1)}
		theirs.parity = total - theirs.data
		end := math.MaxUint32 / uint32(total) * uint32(total)
		loss, by, skip := rnd.IntN(3)*rnd.IntN(10), rnd.IntN(2)*rnd.IntN(30), rnd.IntN(2)*rnd.IntN(20)
		group := []uint32{0, rnd.Uint32N(end / uint32(total)), end/uint32(total) - 2}[rnd.IntN(3)]
		next := group*uint32(total) + rnd.Uint32N(uint32(total))
		var wire [][]byte
		skipping := false
		for range 5 * total {
			at := int(next % uint32(total))
			kind := uint16(kindData)
			if at >= theirs.data {
				kind = kindParity
			}
			if at == theirs.data {
				skipping = rnd.IntN(100) < skip
			}
			if at < theirs.data || !skipping {
				w := make([]byte, Header)
				putHeader(w, next, kind)
				wire = append(wire, w)
			}
			if next++; next == end {
				next = 0
			}
		}
		var l look
		found := false
		for _, w := range lossy(rnd, late(rnd, wire, by), loss) {
			l.note(seqOf(w), kindOf(w) == kindData)
			l.count = lookEvery
			s, ok := l.find()
			if ok && s != theirs {
				t.Fatalf("%v is taken for %v at %d; %d %% loss, late by %d, %d %% skipped", theirs, s, seqOf(w), loss, by, skip)
			}
			found = found || ok
		}
		if !found && loss == 0 && skip == 0 && by == 0 {
			t.Errorf("%v from %d on is not found", theirs, seqOf(wire[0]))
		}
	}
}

// A group starts at a multiple of its size. Anything else comes from no sender.
func TestLookFindsNoGroupOutOfPlace(t *testing.T) {
	var l look
	for seq, data := range []bool{false, true, true, false, true, true, false, true, true, false} {
		l.note(uint32(seq), data)
	}
	if s, ok := l.find(); ok {
		t.Errorf("%v", s)
	}
}

// The search is not made for every packet.
func TestLookIsTakenNowAndThen(t *testing.T) {
	s := newSender(shape{1, 1})
	var l look
	looks := 0
	for range 10 * lookEvery {
		w := s.send(nil)[0]
		l.note(seqOf(w), true)
		before := l.count
		l.find()
		if l.count < before {
			looks++
		}
	}
	if looks != 10 {
		t.Errorf("%d looks at %d packets", looks, 10*lookEvery)
	}
}

// Parity does not name its conversation: what is far from the data that came may be of
// another one, and does not make that data too old.
func TestLookIgnoresParityFromAfar(t *testing.T) {
	var l look
	for _, c := range []struct {
		seq  uint32
		data bool
		high uint32
	}{
		{9000, false, 0}, {1000, true, 1000}, {1001, false, 1001}, {1001 + lookBack, false, 1001}, {1001 - lookBack, false, 1001},
		{1002, true, 1002}, {1002 - lookBack, true, 1002}, {1002 + lookBack, true, 1002 + lookBack},
	} {
		if l.note(c.seq, c.data); l.high != c.high {
			t.Errorf("after %d: the highest is %d, want %d", c.seq, l.high, c.high)
		}
	}
	for range strayAfter {
		l.note(900, true)
	}
	if l.high != 900 {
		t.Errorf("after %d old packets in a row the highest is %d", strayAfter, l.high)
	}
}
