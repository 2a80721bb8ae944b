package fec

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// FuzzDecode decodes packets of any kind in any order: those of a real sender with its own
// shape, mixed with arbitrary bytes.
func FuzzDecode(f *testing.F) {
	for i, s := range []shape{{3, 2}, {1, 1}, {10, 3}, {2, 5}} {
		from := newSender(s)
		input := []byte{byte(s.data), byte(s.parity)}
		for range 3 {
			for j := range s.data {
				for _, w := range from.send(from.sized(10 + j)) {
					if int(seqOf(w))%4 != i {
						input = binary.LittleEndian.AppendUint16(input, uint16(len(w)))
						input = append(input, w...)
					}
				}
			}
		}
		f.Add(input)
		f.Add(append([]byte{0, 0}, input[2:]...))
		f.Add(append([]byte{7, 1}, input[2:]...))
	}
	long := binary.LittleEndian.AppendUint16([]byte{1, 1}, MaxPacket+1)
	f.Add(append(long, make([]byte, MaxPacket+1)...))
	f.Add([]byte{1, 1, 7, 0, 0, 0, 0, 0, 0xf1, 0, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) < 2 {
			return
		}
		d := shared.Decoder(int(input[0]), int(input[1]))
		for input = input[2:]; len(input) > 2; {
			n := int(binary.LittleEndian.Uint16(input))
			input = input[2:]
			switch n {
			case 0xffff:
				d.Rest()
				continue
			case 0xfffe:
				d.Restart()
				continue
			}
			n = min(n%(MaxPacket+10), len(input))
			packet, kept := input[:n:n], bytes.Clone(input[:n])
			input = input[n:]
			restored := 0
			out := d.Decode(packet, func(p []byte) {
				restored++
				if len(p) > MaxPacket-Header {
					t.Fatalf("a packet of %d bytes is restored", len(p))
				}
			})
			if out.Restored != restored || out.Full && restored > 0 || !out.Fresh && (restored > 0 || out.Full || out.Failed) {
				t.Fatalf("%+v, and %d packets were restored", out, restored)
			}
			if !bytes.Equal(packet, kept) {
				t.Fatal("the packet was changed")
			}
		}
		d.Rest()
		for _, g := range d.groups {
			if g.slab != nil {
				t.Fatal("memory is held at rest")
			}
		}
	})
}

// FuzzEncodeDecode: what is restored equals what was sent, and everything is restored of
// which enough has arrived.
func FuzzEncodeDecode(f *testing.F) {
	for i, s := range shapes {
		f.Add(uint64(i), uint8(s.data), uint8(s.parity), uint8(10*i), i%3 == 0)
	}
	f.Add(uint64(84), uint8(1), uint8(22), uint8(94), true)
	f.Fuzz(func(t *testing.T, seed uint64, data, parity, loss uint8, shuffle bool) {
		c := shape{int(data % 32), int(parity % 16)} // making larger codes takes too long
		if c.off() {
			return
		}
		s, r := newSender(c), newReceiver(c)
		s.rnd = rand.New(rand.NewPCG(seed, 1))
		s.begin(s.rnd.Uint32N(s.code.end/uint32(c.total())) * uint32(c.total()))
		r.take(s.group()...) // whole: nothing is restored from before the first data that came
		for range max(3, 64/c.total()) {
			var wire [][]byte
			for range c.data {
				wire = append(wire, s.send(s.sized(4+s.rnd.IntN(60)))...)
			}
			first := seqOf(wire[0])
			if shuffle {
				s.rnd.Shuffle(len(wire), func(i, j int) { wire[i], wire[j] = wire[j], wire[i] })
			}
			come := withData(wire, lossy(s.rnd, wire, int(loss)%60))
			r.take(come...)
			missing := make(map[uint32]bool)
			if len(come) >= c.data {
				for i := range uint32(c.data) {
					missing[first+i] = true
				}
				for _, w := range come[:c.data] {
					delete(missing, seqOf(w))
				}
			}
			var want []uint32
			for seq := range missing {
				want = append(want, seq)
			}
			r.restored(t, c.String(), s, want...)
		}
	})
}
