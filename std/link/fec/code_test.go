package fec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// noon is when the packets of a sender are sent, all at once.
var noon = time.Unix(1, 0)

// shared holds the codes of all tests, because making one for a large shape takes a while.
var shared = new(Codes)

// sender is an encoder that keeps what it was given.
type sender struct {
	*Encoder
	rnd  *rand.Rand
	sent map[uint32][]byte // packets by sequence number
}

func newSender(s shape) *sender {
	e := shared.Encoder(s.data, s.parity)
	e.now = func() time.Time { return noon }
	e.last = noon // else there is no parity of the first packet where a group has one
	return &sender{Encoder: e, rnd: rand.New(rand.NewPCG(1, 2)), sent: make(map[uint32][]byte)}
}

// send sends a packet and returns what goes over the wire.
func (s *sender) send(packet []byte) (wire [][]byte) {
	framed, parity := s.Encode(packet)
	s.sent[seqOf(framed)] = bytes.Clone(packet)
	wire = append(wire, bytes.Clone(framed))
	for _, p := range parity {
		wire = append(wire, bytes.Clone(p))
	}
	return wire
}

// packet is a packet of any size and content that starts with its own number.
func (s *sender) packet() []byte {
	return s.sized(4 + s.rnd.IntN(MaxPacket-Header-4+1))
}

func (s *sender) sized(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.rnd.Uint32())
	}
	binary.LittleEndian.PutUint32(b, s.next)
	return b
}

// group sends as many packets as a group has, and returns what goes over the wire.
func (s *sender) group() (wire [][]byte) {
	for range s.code.data {
		wire = append(wire, s.send(s.packet())...)
	}
	return wire
}

// receiver is a decoder that keeps what it restores.
type receiver struct {
	*Decoder
	got map[uint32][]byte // packets by the number that they begin with
}

func newReceiver(s shape) *receiver {
	return &receiver{Decoder: shared.Decoder(s.data, s.parity), got: make(map[uint32][]byte)}
}

// take processes packets, and returns their combined outcome.
func (r *receiver) take(wire ...[]byte) (all Outcome) {
	for _, w := range wire {
		n := 0
		out := r.Decode(w, func(p []byte) {
			n++
			r.got[binary.LittleEndian.Uint32(p)] = bytes.Clone(p)
		})
		if n > 0 {
			r.Vouch()
		}
		if n != out.Restored {
			panic(fmt.Sprintf("it says that it has restored %d, and has %d", out.Restored, n))
		}
		all.Fresh, all.Full, all.Failed = all.Fresh || out.Fresh, all.Full || out.Full, all.Failed || out.Failed
		all.Restored += n
	}
	return all
}

// restored fails the test if anything but these packets was restored.
func (r *receiver) restored(t *testing.T, what string, s *sender, numbers ...uint32) {
	t.Helper()
	for _, seq := range numbers {
		if got, ok := r.got[seq]; !ok {
			t.Errorf("%s: packet %d is not restored", what, seq)
		} else if !bytes.Equal(got, s.sent[seq]) {
			t.Errorf("%s: packet %d is restored with %d bytes, not the %d that were sent", what, seq, len(got), len(s.sent[seq]))
		}
	}
	if len(r.got) > len(numbers) {
		t.Errorf("%s: %d packets are restored, want %d", what, len(r.got), len(numbers))
	}
	clear(r.got)
}

func seqOf(wire []byte) uint32  { return binary.LittleEndian.Uint32(wire) }
func kindOf(wire []byte) uint16 { return binary.LittleEndian.Uint16(wire[4:]) }

// shapes are small and large, lopsided and even, and those at the limits.
var shapes = []shape{{1, 1}, {2, 1}, {1, 2}, {3, 2}, {10, 3}, {20, 10}, {128, 128}, {255, 1}, {1, 255}}

func (s shape) String() string { return fmt.Sprintf("%d+%d", s.data, s.parity) }

// Each packet of a group is one byte at its own place, so that what parity has there
// is the packet's factor.
func TestParityRows(t *testing.T) {
	for _, c := range []struct {
		shape
		rows string // as docs/protocol.md has them
	}{
		{shape{2, 1}, "03 02"},
		{shape{3, 2}, "01 01 01 / 0f 08 06"},
		{shape{10, 3}, "81 96 af b8 d2 c4 fe e8 03 02 / 96 81 b8 af c4 d2 e8 fe 02 03 / bf d6 62 0a 06 6f df b7 05 04"},
	} {
		s := newSender(c.shape)
		var wire [][]byte
		for i := range c.data {
			packet := make([]byte, c.data)
			packet[i] = 1
			wire = append(wire, s.send(packet)...)
		}
		if len(wire) != c.total() {
			t.Fatalf("%v: %d packets", c.shape, len(wire))
		}
		for i, row := range strings.Split(c.rows, " / ") {
			want, err := hex.DecodeString(strings.ReplaceAll(row, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			// The rows have the sum 1, so parity of equal sizes is that size.
			want = append(binary.LittleEndian.AppendUint16(nil, uint16(c.data+2)), want...)
			if got := wire[c.data+i][6:]; !bytes.Equal(got, want) {
				t.Errorf("%v: row %d is % x, want % x", c.shape, i, got, want)
			}
		}
	}
}

func TestCodesAreShared(t *testing.T) {
	c := new(Codes)
	a, b := c.Encoder(10, 3), c.Encoder(10, 3)
	if a == b || a.code != b.code || a.code != c.Decoder(10, 3).code {
		t.Error("two peers of one shape have a code each")
	}
	if a.code == c.Encoder(3, 10).code || a.code == c.Encoder(10, 4).code {
		t.Error("two shapes have one code")
	}
}

// Shapes come from peers, so codes that are no longer used must not stay.
func TestCodesAreBounded(t *testing.T) {
	c := new(Codes)
	first := c.get(shape{1, 1})
	for parity := 1; parity <= 3*cachedCodes; parity++ {
		if c.get(shape{2, parity}) == nil {
			t.Fatalf("no code for 2 + %d", parity)
		}
		if len(c.known) > cachedCodes {
			t.Fatalf("%d codes are kept", len(c.known))
		}
	}
	if again := c.get(shape{1, 1}); again == nil || again == first || c.get(shape{1, 1}) != again {
		t.Error("a code that was dropped is not made again")
	}
}

func TestImpossibleShapes(t *testing.T) {
	for _, c := range []struct {
		shape
		off, fails bool
	}{
		{shape{1, 1}, false, false}, {shape{255, 1}, false, false}, {shape{1, 255}, false, false}, {shape{200, 56}, false, false},
		{shape{0, 0}, true, false}, {shape{0, 3}, true, false}, {shape{10, 0}, true, false}, {shape{1000, 0}, true, false},
		{shape{-1, 3}, true, true}, {shape{10, -3}, true, true}, {shape{math.MinInt, math.MinInt}, true, true},
		{shape{256, 1}, false, true}, {shape{1, 256}, false, true}, {shape{200, 57}, false, true},
		{shape{math.MaxInt, 1}, false, true}, {shape{1, math.MaxInt}, false, true}, {shape{math.MaxInt, math.MaxInt}, false, true},
	} {
		if err := Check(c.data, c.parity); (err != nil) != c.fails {
			t.Errorf("Check(%v): %v", c.shape, err)
		}
		if e := shared.Encoder(c.data, c.parity); (e == nil) != (c.off || c.fails) {
			t.Errorf("%v: an encoder: %v", c.shape, e != nil)
		}
		if d := shared.Decoder(c.data, c.parity); d == nil || d.doubt != (c.off || c.fails) {
			t.Errorf("%v: the decoder does not know that it has to learn", c.shape)
		}
		if code, kept := shared.known[c.shape]; kept && code == nil {
			t.Errorf("%v: it is kept that there is no code", c.shape)
		}
	}
}

// No group spans the point where sequence numbers wrap.
func TestEndOfSequence(t *testing.T) {
	for _, s := range shapes {
		if end := shared.get(s).end; end%uint32(s.total()) != 0 || math.MaxUint32-end >= uint32(s.total()) {
			t.Errorf("%v: the end is %d", s, end)
		}
	}
}

// withData is what comes of a group, with at least one data packet. Without data of several
// groups in a row, the parity of the next one would seem too far ahead.
func withData(group, come [][]byte) [][]byte {
	isData := func(p []byte) bool { return binary.LittleEndian.Uint16(p[kindOffset:]) == kindData }
	if slices.ContainsFunc(come, isData) {
		return come
	}
	return append(slices.Clone(come), group[slices.IndexFunc(group, isData)])
}
