package fec

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

func TestEncoderMakesGroups(t *testing.T) {
	for _, c := range shapes {
		s := newSender(c)
		next := uint32(0)
		for range 3 {
			longest := 0
			for i, wire := range s.group() {
				want := uint16(kindData)
				if i >= c.data {
					want = kindParity
				}
				if seqOf(wire) != next || kindOf(wire) != want {
					t.Fatalf("%v: number %d of kind %#x, want %d of kind %#x", c, seqOf(wire), kindOf(wire), next, want)
				}
				if i < c.data {
					longest = max(longest, len(wire))
					size := int(binary.LittleEndian.Uint16(wire[6:]))
					if size != len(wire)-6 || !bytes.Equal(wire[8:], s.sent[next]) {
						t.Fatalf("%v: packet %d is not what was sent, or its size is not %d", c, next, size)
					}
				} else if len(wire) != longest {
					t.Fatalf("%v: parity of %d bytes for %d", c, len(wire), longest)
				}
				next++
			}
		}
	}
}

// A short group after a long one has short parity, without remains of the long one.
func TestEncoderForgetsTheGroupBefore(t *testing.T) {
	s, other := newSender(shape{3, 2}), newSender(shape{3, 2})
	s.group()
	other.begin(5)
	for i := range 3 {
		packet := bytes.Repeat([]byte{byte(i)}, 10*i)
		a, b := s.send(packet), other.send(packet)
		for j := range b {
			if !bytes.Equal(a[j], b[j]) {
				t.Errorf("after another group: % x\nwant % x", a[j], b[j])
			}
		}
	}
}

// Parity follows if the last packet came less than half a second after the one before it,
// however long the earlier pauses were.
func TestEncoderSkipsParityAfterPause(t *testing.T) {
	const short, long = 499 * time.Millisecond, 500 * time.Millisecond
	for _, c := range []struct {
		shape
		pauses []time.Duration // before each packet of a second group
		parity bool
	}{
		{shape{3, 2}, []time.Duration{0, 0, 0}, true},
		{shape{3, 2}, []time.Duration{0, 0, short}, true},
		{shape{3, 2}, []time.Duration{0, 0, long}, false},
		{shape{3, 2}, []time.Duration{0, 0, time.Hour}, false},
		{shape{3, 2}, []time.Duration{time.Hour, time.Hour, 0}, true},
		{shape{3, 2}, []time.Duration{0, long, 0}, true},
		{shape{2, 1}, []time.Duration{time.Hour, short}, true},
		{shape{2, 1}, []time.Duration{0, long}, false},
		{shape{1, 1}, []time.Duration{short}, true},
		{shape{1, 1}, []time.Duration{long}, false},
		{shape{1, 3}, []time.Duration{0}, true},
	} {
		s := newSender(c.shape)
		now := noon
		s.now = func() time.Time { return now }
		s.group()
		var wire [][]byte
		for _, pause := range c.pauses {
			now = now.Add(pause)
			wire = append(wire, s.send(s.packet())...)
		}
		want := c.data
		if c.parity {
			want = c.total()
		}
		if len(wire) != want {
			t.Errorf("%v after %v: %d packets, want %d", c.shape, c.pauses, len(wire), want)
		}
		next := s.group() // keeps its place
		if seqOf(next[0]) != uint32(2*c.total()) || len(next) != c.total() {
			t.Errorf("%v after %v: the next group begins at %d and has %d packets", c.shape, c.pauses, seqOf(next[0]), len(next))
		}
	}
}

// No packet precedes the first one, so if it is alone in its group it gets no parity.
func TestEncoderFirstPacketAlone(t *testing.T) {
	e := shared.Encoder(1, 1)
	if _, parity := e.Encode([]byte("first")); parity != nil {
		t.Error("the first packet has parity")
	}
	if framed, parity := e.Encode([]byte("second")); seqOf(framed) != 2 || len(parity) != 1 {
		t.Errorf("the second has number %d and %d packets of parity", seqOf(framed), len(parity))
	}
}

// The clock is read for the last two packets of a group, between which the pause counts.
func TestEncoderReadsTheClockTwiceAGroup(t *testing.T) {
	s := newSender(shape{10, 3})
	reads := 0
	s.now = func() time.Time { reads++; return noon }
	if s.group(); reads != 2 {
		t.Errorf("%d times", reads)
	}
}

func TestEncoderWraps(t *testing.T) {
	for _, c := range shapes {
		for _, skip := range []bool{false, true} {
			s := newSender(c)
			now := noon
			s.now = func() time.Time {
				if skip {
					now = now.Add(time.Second)
				}
				return now
			}
			end := s.code.end
			s.begin(end - uint32(c.total()))
			last := s.group()
			if first := seqOf(last[0]); first != end-uint32(c.total()) {
				t.Errorf("%v: the last group begins at %d, the end is %d", c, first, end)
			}
			if final := seqOf(last[len(last)-1]); !skip && final != end-1 {
				t.Errorf("%v: the last number is %d, the end is %d", c, final, end)
			}
			if next := s.send(nil); seqOf(next[0]) != 0 {
				t.Errorf("%v: after the end comes %d", c, seqOf(next[0]))
			}
		}
	}
}

// Rest releases memory. An unfinished group ends, and the next one is whole.
func TestEncoderRests(t *testing.T) {
	for _, c := range []struct {
		name  string
		rests []int    // before these of five packets
		want  []uint32 // the numbers of what is sent
	}{
		{"never", nil, []uint32{5, 6, 7, 8, 9, 10, 11}},
		{"between groups", []int{0, 0, 3}, []uint32{5, 6, 7, 8, 9, 10, 11}},
		{"after the first packet", []int{1}, []uint32{5, 10, 11, 12, 13, 14, 15}},
		{"before the last packet", []int{2}, []uint32{5, 6, 10, 11, 12, 13, 14}},
		{"twice in a row", []int{1, 1}, []uint32{5, 10, 11, 12, 13, 14, 15}},
		{"after each packet", []int{1, 2, 3, 4}, []uint32{5, 10, 15, 20, 25}},
	} {
		s := newSender(shape{3, 2})
		s.group()
		var wire [][]byte
		for i := range 5 {
			for _, at := range c.rests {
				if at == i {
					s.Rest()
					if s.slab != nil {
						t.Errorf("%s: it keeps its memory", c.name)
					}
				}
			}
			wire = append(wire, s.send(s.packet())...)
		}
		var got []uint32
		for _, w := range wire {
			got = append(got, seqOf(w))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: numbers %v, want %v", c.name, got, c.want)
		}
		s.Rest()
		next := s.group()
		r := newReceiver(shape{3, 2})
		r.take(wire...)
		r.take(next[1:]...)
		r.restored(t, c.name, s, seqOf(next[0]))
	}
	shared.Encoder(3, 2).Rest() // nothing to give back
}

// The group after the last possible one is the first.
func TestEncoderRestsAtTheEnd(t *testing.T) {
	s := newSender(shape{3, 2})
	s.next = s.code.end - 5
	s.send(s.packet())
	s.Rest()
	if wire := s.send(s.packet()); seqOf(wire[0]) != 0 {
		t.Errorf("number %d, want 0", seqOf(wire[0]))
	}
}

// A new conversation starts at 0 with a group of its own.
func TestEncoderRestarts(t *testing.T) {
	s := newSender(shape{3, 2})
	s.group()
	s.send(make([]byte, 1000))
	s.send(make([]byte, 1000))
	s.Restart()
	for i := range uint32(3) {
		want := 1
		if i == 2 {
			want += 2 // parity
		}
		wire := s.send([]byte("short"))
		if last := wire[len(wire)-1]; len(wire) != want || seqOf(wire[0]) != i || len(last) != Header+len("short") {
			t.Errorf("packet %d: %d are sent from number %d on, the last of %d bytes", i, len(wire), seqOf(wire[0]), len(last))
		}
	}
	s.send(nil)
	s.Rest()
	s.Restart()
	if wire := s.group(); len(wire) != 5 || seqOf(wire[0]) != 0 {
		t.Errorf("after a rest: %d packets from %d on", len(wire), seqOf(wire[0]))
	}
}

// What the library allocates for its arithmetic, once per group, is not ours to save.
func TestEncodeAllocatesNothing(t *testing.T) {
	for _, c := range shapes {
		e := shared.Encoder(c.data, c.parity)
		packet := make([]byte, MaxPacket-Header)
		group := func() {
			for i := range c.data {
				e.Encode(packet[:len(packet)-i])
			}
		}
		group()
		shards := make([][]byte, c.total())
		for i := range shards {
			shards[i] = make([]byte, MaxPacket-sizeOffset)
		}
		arithmetic := testing.AllocsPerRun(5, func() {
			if err := e.coder.Encode(shards); err != nil {
				t.Fatal(err)
			}
		})
		if n := allocations(arithmetic, group); n > arithmetic {
			t.Errorf("%v: %v allocations for a group, %v of them for arithmetic", c, n, arithmetic)
		}
	}
}

// allocations is testing.AllocsPerRun, retried if the result is above enough: the race
// detector deliberately makes sync.Pool drop things.
func allocations(enough float64, f func()) float64 {
	least := testing.AllocsPerRun(5, f)
	for i := 0; i < 100 && least > enough; i++ {
		least = min(least, testing.AllocsPerRun(5, f))
	}
	return least
}

func BenchmarkEncode(b *testing.B) {
	for _, c := range []shape{{10, 3}, {20, 10}, {70, 30}} {
		b.Run(c.String(), func(b *testing.B) {
			e := shared.Encoder(c.data, c.parity)
			packet := make([]byte, 1300)
			b.SetBytes(int64(len(packet)))
			b.ReportAllocs()
			for b.Loop() {
				e.Encode(packet)
			}
		})
	}
}
