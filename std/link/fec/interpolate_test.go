package fec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/reedsolomon"
)

// choice is a shape, and which packets of a group are known: as many as it has data
// packets.
type choice struct {
	shape
	known []int
}

// check restores all packets of a group except the known ones, and compares them with the
// library's result for the same group.
func (c choice) check(coder reedsolomon.Encoder, rnd *rand.Rand, size int) error {
	whole := make([][]byte, c.total())
	for i := range whole {
		whole[i] = make([]byte, size)
		for k := range whole[i] {
			whole[i][k] = byte(rnd.Uint32())
		}
	}
	if err := coder.Encode(whole); err != nil {
		return err
	}
	at, values := []byte{}, [][]byte{}
	isKnown := make(map[int]bool)
	for _, i := range c.known {
		at, values, isKnown[i] = append(at, byte(i)), append(values, whole[i]), true
	}
	p, got := newPoints(at), make([]byte, size)
	for i := range whole {
		if isKnown[i] {
			continue
		}
		if p.value(byte(i), values, got); !bytes.Equal(got, whole[i]) {
			return fmt.Errorf("%v of which %v are known: packet %d is % x, the library has % x", c.shape, c.known, i, got, whole[i])
		}
	}
	return nil
}

func TestInterpolationIsTheLibrarysCode(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, s := range append([]shape{{254, 2}, {200, 56}, {64, 64}, {10, 10}}, shapes...) {
		coder := s.coder()
		alone := choice{shape: s} // parity alone, as far as it goes
		for i := range s.data {
			alone.known = append(alone.known, s.total()-1-i)
		}
		if err := alone.check(coder, rnd, 20); err != nil {
			t.Error(err)
		}
		for range 20 {
			c := choice{s, rnd.Perm(s.total())[:s.data]}
			if err := c.check(coder, rnd, 1+rnd.IntN(100)); err != nil {
				t.Error(err)
			}
		}
	}
}

func FuzzInterpolation(f *testing.F) {
	f.Add(uint8(9), uint8(2), uint64(1))
	f.Add(uint8(127), uint8(127), uint64(2))
	f.Add(uint8(0), uint8(254), uint64(3))
	f.Fuzz(func(t *testing.T, data, parity uint8, seed uint64) {
		s := shape{int(data) + 1, int(parity) + 1}
		if !s.possible() {
			t.Skip()
		}
		rnd := rand.New(rand.NewPCG(seed, 0))
		c := choice{s, rnd.Perm(s.total())[:s.data]}
		if err := c.check(s.coder(), rnd, 16); err != nil {
			t.Error(err)
		}
	})
}

// A peer's shape cost up to 55 ms under the lock shared by all peers, for a matrix that
// only a sender of that shape needs.
func TestShapesOfPeersMakeNoMatrix(t *testing.T) {
	for name, ours := range map[string]shape{"known": {128, 128}, "found": {10, 3}, "found without one of ours": {0, 0}} {
		t.Run(name, func(t *testing.T) {
			theirs := newCode(shape{128, 128})
			theirs.coder = func() reedsolomon.Encoder {
				t.Error("to restore, the matrix for sending was made")
				return nil
			}
			codes := &Codes{known: map[shape]*code{theirs.shape: theirs}}
			s, r := newSender(theirs.shape), &receiver{Decoder: codes.Decoder(ours.data, ours.parity), got: make(map[uint32][]byte)}
			for range 6 {
				r.take(s.group()...)
			}
			clear(r.got)
			lost := s.next
			r.take(s.group()[2:]...)
			if r.code != theirs {
				t.Fatal("the shape is not found")
			}
			r.restored(t, "with the first two lost", s, lost, lost+1)
		})
	}
}

// From parity alone, each group took the inversion of a matrix for 128 packets: 4.8 ms.
func BenchmarkParityAlone(b *testing.B) {
	for _, c := range []shape{{10, 10}, {64, 64}, {128, 128}} {
		b.Run(c.String(), func(b *testing.B) {
			s, d := newSender(c), shared.Decoder(c.data, c.parity)
			var wire [][]byte
			for range c.data {
				wire = append(wire, s.send(s.sized(24))...)
			}
			for group := uint32(0); b.Loop(); group++ {
				numbered(wire, group)
				for _, p := range wire[c.data:] {
					d.Decode(p, func([]byte) {})
				}
			}
		})
	}
}
