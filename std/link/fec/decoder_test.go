package fec

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// arrangements returns all orders in which some of n packets can arrive.
func arrangements(n int, visit func(order []int)) {
	var extend func(order []int, used uint)
	extend = func(order []int, used uint) {
		visit(order)
		for i := range n {
			if used>>i&1 == 0 {
				extend(append(order, i), used|1<<i)
			}
		}
	}
	extend(nil, 0)
}

// When some packets of a group arrive, in whatever order, exactly the missing ones are
// restored, as soon as there are as many as the group has data packets.
func TestDecoderRestoresWhateverIsLost(t *testing.T) {
	for _, c := range []shape{{3, 2}, {1, 1}, {2, 1}, {1, 3}, {2, 3}} {
		s := newSender(c)
		wire := s.group()
		arrangements(c.total(), func(order []int) {
			r := newReceiver(c)
			var want Outcome
			var missing []uint32
			for n, i := range order {
				want = Outcome{Fresh: true}
				if n+1 > c.data { // the group is done
					r.take(wire[i])
					continue
				}
				if n+1 == c.data {
					early := make(map[int]bool)
					for _, j := range order[:c.data] {
						early[j] = true
					}
					for j := range c.data {
						if !early[j] {
							missing = append(missing, uint32(j))
						}
					}
					want.Restored, want.Full = len(missing), len(missing) == 0
				}
				if out := r.take(wire[i]); out != want {
					t.Fatalf("%v in the order %v: packet %d leads to %+v, want %+v", c, order, n, out, want)
				}
			}
			r.restored(t, c.String(), s, missing...)
		})
	}
}

// The same for larger groups, several of them at once and with duplicate packets.
func TestDecoderRestoresInLargeGroups(t *testing.T) {
	for _, c := range shapes {
		s, r := newSender(c), newReceiver(c)
		rnd := rand.New(rand.NewPCG(3, uint64(c.total())))
		groups := 60
		if c.total() == MaxShards {
			groups = 4
		}
		var late [][]byte // of the group before
		for range groups {
			wire := s.group()
			lost := rnd.IntN(c.parity + 3) // sometimes more than can be restored
			rnd.Shuffle(len(wire), func(i, j int) { wire[i], wire[j] = wire[j], wire[i] })
			come := withData(wire, wire[min(lost, len(wire)):])
			var want []uint32
			came := make(map[uint32]bool)
			for n, w := range come {
				came[seqOf(w)] = true
				if n+1 == c.data {
					for seq := range uint32(c.data) {
						if seq += s.next - uint32(c.total()); !came[seq] {
							want = append(want, seq)
						}
					}
				}
			}
			for i, w := range come {
				r.take(w, w)
				if i < len(late) {
					r.take(late[i])
				}
			}
			r.restored(t, c.String(), s, want...)
			late = come
		}
	}
}

func TestDecoderIgnoresRepetition(t *testing.T) {
	s, r := newSender(shape{3, 2}), newReceiver(shape{3, 2})
	wire := s.group()
	r.take(wire[0])
	other := bytes.Clone(wire[0])
	other[20] ^= 1
	if out := r.take(wire[0], other, wire[0]); out != (Outcome{}) {
		t.Errorf("a packet that came: %+v", out)
	}
	r.take(wire[3], wire[3], wire[3], wire[4])
	r.restored(t, "after repetition", s, 1, 2)
	if out := r.take(wire...); out.Restored > 0 || out.Full || out.Failed {
		t.Errorf("a group that is done: %+v", out)
	}
	r.restored(t, "a group that is done", s)
}

// Every parity packet that arrives is fresh, even if its group did not need it: that is how
// its cost is counted.
func TestDecoderTellsOfParityThatIsNotNeeded(t *testing.T) {
	s, r := newSender(shape{3, 2}), newReceiver(shape{3, 2})
	wire := s.group()
	if out := r.take(wire[:3]...); !out.Full {
		t.Fatalf("a full group: %+v", out)
	}
	for i, w := range wire[3:] {
		if out := r.take(w); out != (Outcome{Fresh: true}) {
			t.Errorf("parity %d behind a full group: %+v", i, out)
		}
		if out := r.take(w); out != (Outcome{}) {
			t.Errorf("parity %d once more: %+v", i, out)
		}
	}
}

// One packet of each group is the first. The newest group is reported together with the
// number of incomplete ones.
func TestDecoderTellsOfGroups(t *testing.T) {
	s, r := newSender(shape{3, 2}), newReceiver(shape{3, 2})
	a, b := s.group(), s.group()
	for _, step := range []struct {
		packet []byte
		began  bool
		newest uint32
		open   int
	}{
		{a[1], true, 0, 1}, {a[1], false, 0, 1}, {a[0], false, 0, 1},
		{b[4], true, 1, 2}, {a[2], false, 1, 1}, {a[3], false, 1, 1}, {b[0], false, 1, 1}, {b[1], false, 1, 0},
	} {
		out := r.Decode(step.packet, func([]byte) {})
		newest, open := r.Groups()
		if out.Began != step.began || newest != step.newest || open != step.open {
			t.Errorf("packet %d: began %v, newest %d, incomplete %d, want %+v", seqOf(step.packet), out.Began, newest, open, step)
		}
	}
}

// Four groups may be incomplete at once.
func TestDecoderForgetsOldGroups(t *testing.T) {
	s, r := newSender(shape{3, 2}), newReceiver(shape{3, 2})
	var wire [][][]byte
	for range keepGroups + 1 {
		wire = append(wire, s.group())
	}
	for _, group := range wire[:keepGroups] {
		r.take(group[0], group[3])
	}
	for i, group := range wire[:keepGroups] {
		if i == 1 {
			r.take(wire[keepGroups][0]) // the first is done, so it takes nothing away yet
		}
		r.take(group[4])
		r.restored(t, "of four groups", s, uint32(5*i+1), uint32(5*i+2))
	}

	r = newReceiver(shape{3, 2})
	r.take(wire[0][0], wire[0][1])
	r.take(wire[keepGroups][0])
	if out := r.take(wire[0][3], wire[0][2]); out != (Outcome{}) {
		t.Errorf("a group that is too old: %+v", out)
	}
	r.take(wire[1][0], wire[1][1], wire[1][3])
	r.restored(t, "the oldest of four", s, 7)
	held := 0
	for _, g := range r.groups {
		if g.slab != nil {
			held++
		}
	}
	if held != 1 {
		t.Errorf("memory of %d groups is held, and one is incomplete", held)
	}
}

// Packets that arrive do not always match. The result must not be taken for a packet.
func TestDecoderRefusesWhatDoesNotFit(t *testing.T) {
	c := shape{3, 2}
	for _, bad := range []struct {
		name  string
		spoil func(wire [][]byte) [][]byte
	}{
		{"parity shorter than data", func(w [][]byte) [][]byte { return [][]byte{w[0], w[1], w[3][:len(w[0])-1]} }},
		{"parity of a header alone", func(w [][]byte) [][]byte { return [][]byte{w[0], w[1], w[3][:Header]} }},
		{"a size beyond the end", func(w [][]byte) [][]byte {
			binary.LittleEndian.PutUint16(w[3][6:], math.MaxUint16)
			return [][]byte{w[0], w[1], w[3]}
		}},
		{"a size below itself", func(w [][]byte) [][]byte {
			// The first row of parity is the sum: this makes the size of the third 1.
			size := binary.LittleEndian.Uint16(w[0][6:]) ^ binary.LittleEndian.Uint16(w[1][6:]) ^ 1
			binary.LittleEndian.PutUint16(w[3][6:], size)
			return [][]byte{w[0], w[1], w[3]}
		}},
	} {
		s, r := newSender(c), newReceiver(c)
		var wire [][]byte
		for _, size := range []int{1000, 900, 800} {
			wire = append(wire, s.send(s.sized(size))...)
		}
		out := r.take(bad.spoil(wire)...)
		if !out.Failed || out.Restored > 0 || out.Full {
			t.Errorf("%s: %+v", bad.name, out)
		}
		if out := r.take(wire[4]); out.Restored > 0 || out.Failed {
			t.Errorf("%s: and then %+v", bad.name, out)
		}
		r.take(s.group()[1:]...)
		r.restored(t, bad.name+", the next group", s, 5)
	}
}

// If one of two packets comes out impossible, the other is not believed, either: it follows from the
// same packets, and one of these does not belong to the group. It used to be restored.
func TestDecoderBelievesAllOfAGroupOrNone(t *testing.T) {
	s, r := newSender(shape{2, 2}), newReceiver(shape{2, 2})
	wire := append(s.send(s.sized(100)), s.send(s.sized(100))...)
	// Parity is made for a first packet with a size beyond the end.
	shards := [][]byte{bytes.Clone(wire[0][6:]), bytes.Clone(wire[1][6:]), make([]byte, 102), make([]byte, 102)}
	binary.LittleEndian.PutUint16(shards[0], 103)
	if err := s.coder.Encode(shards); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		copy(wire[2+i][6:], shards[2+i])
	}
	if out := r.take(wire[2], wire[3]); !out.Failed || out.Restored != 0 {
		t.Errorf("%+v", out)
	}
	r.restored(t, "none", s)
}

func TestDecoderIgnoresImpossibleLengths(t *testing.T) {
	s, r := newSender(shape{3, 2}), newReceiver(shape{3, 2})
	wire := s.group()
	for n := range Header {
		if out := r.take(make([]byte, n), wire[0][:n]); out != (Outcome{}) {
			t.Errorf("%d bytes: %+v", n, out)
		}
	}
	long := append(bytes.Clone(wire[0]), make([]byte, MaxPacket)...)
	for _, n := range []int{MaxPacket + 1, len(long)} {
		if out := r.take(long[:n]); out != (Outcome{}) {
			t.Errorf("%d bytes: %+v", n, out)
		}
	}
	if out := r.take(nil); out != (Outcome{}) || r.doubt {
		t.Errorf("nothing: %+v", out)
	}
	r.take(wire[1:]...)
	r.restored(t, "behind them", s, 0)
}

// Packets may be of the greatest length allowed, and of the smallest.
func TestDecoderRestoresAnyLength(t *testing.T) {
	e, d := shared.Encoder(2, 1), shared.Decoder(2, 1)
	for _, sizes := range [][2]int{{0, 0}, {0, 1}, {1, 0}, {MaxPacket - Header, 0}, {0, MaxPacket - Header}, {MaxPacket - Header, MaxPacket - Header}, {63, 64}} {
		for lost := range 2 {
			var wire [][]byte
			want := bytes.Repeat([]byte{0xa5}, sizes[lost])
			e.now = newSender(shape{1, 1}).now
			for i, size := range sizes {
				framed, parity := e.Encode(bytes.Repeat([]byte{0xa5}, size))
				if i != lost {
					wire = append(wire, bytes.Clone(framed))
				}
				for _, p := range parity {
					wire = append(wire, bytes.Clone(p))
				}
			}
			var got [][]byte
			for _, w := range wire {
				d.Decode(w, func(p []byte) { got = append(got, bytes.Clone(p)) })
			}
			if len(got) != 1 || !bytes.Equal(got[0], want) {
				t.Errorf("sizes %v, lost %d: %d packets restored", sizes, lost, len(got))
			}
		}
	}
}

// Rest discards groups, releases their memory and does not affect later ones.
func TestDecoderRests(t *testing.T) {
	s, r := newSender(shape{3, 2}), newReceiver(shape{3, 2})
	shared.Decoder(0, 0).Rest()
	r.Rest() // nothing yet
	for round := range 8 {
		wire := s.group()
		r.take(wire[0], wire[3])
		r.Rest()
		for _, g := range r.groups {
			if g.slab != nil {
				t.Fatal("memory is held")
			}
		}
		if out := r.take(wire[4], wire[1]); out.Restored > 0 || out.Full {
			t.Errorf("round %d, a group that was forgotten: %+v", round, out)
		}
		r.restored(t, "a group that was forgotten", s)
		wire = s.group()
		r.take(wire[1:]...)
		r.restored(t, "the group after a rest", s, seqOf(wire[0]))
	}
}

// numbered moves a group to another place in the sequence.
func numbered(wire [][]byte, group uint32) {
	for i, w := range wire {
		binary.LittleEndian.PutUint32(w, group*uint32(len(wire))+uint32(i))
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	for _, c := range shapes {
		s, d := newSender(c), shared.Decoder(c.data, c.parity)
		wire := s.group()
		group := uint32(0)
		restored := func([]byte) { t.Error("something was restored") }
		pass := func() {
			numbered(wire, group)
			group++
			for i, w := range wire {
				if i == c.data/2 && c.data > 1 { // reordering costs nothing, either
					i, w = 0, wire[0]
				} else if i == 0 && c.data > 1 {
					w = wire[c.data/2]
				}
				d.Decode(w, restored)
			}
		}
		pass()
		if n := allocations(0, pass); n != 0 {
			t.Errorf("%v: %v allocations for a group", c, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []shape{{10, 3}, {20, 10}, {70, 30}} {
		for _, lost := range []int{0, 1} {
			name := c.String() + "/none lost"
			if lost > 0 {
				name = c.String() + "/one lost in a group"
			}
			b.Run(name, func(b *testing.B) {
				s, d := newSender(c), shared.Decoder(c.data, c.parity)
				var wire [][]byte
				for range c.data {
					wire = append(wire, s.send(s.sized(1300))...)
				}
				restored := 0
				count := func([]byte) { restored++ }
				group, i := uint32(0), len(wire)
				b.SetBytes(1300)
				b.ReportAllocs()
				for b.Loop() {
					if i == len(wire) {
						numbered(wire, group)
						group++
						i = lost
					}
					d.Decode(wire[i], count)
					i++
				}
				b.ReportMetric(float64(restored)/float64(b.N), "restored/op")
			})
		}
	}
}

// A decoder is sure of the shape of a peer's groups only if it could be no other.
func TestIsSure(t *testing.T) {
	for _, s := range []shape{{10, 3}, {10, 1}, {10, 2}, {10, 4}, {9, 4}, {5, 2}, {1, 1}, {20, 6}, {26, 13}, {12, 1}, {3, 10}} {
		codes := new(Codes)
		enc, dec, sure := codes.Encoder(s.data, s.parity), codes.Decoder(10, 3), false
		for range 500 {
			framed, parity := enc.Encode([]byte("packet"))
			for _, p := range append([][]byte{framed}, parity...) {
				dec.Decode(p, func([]byte) {})
				sure = sure || dec.IsSure(10, 3)
			}
		}
		if sure != (s == shape{10, 3}) {
			t.Errorf("groups of %v are taken for 10/3: %t", s, sure)
		}
	}
}
