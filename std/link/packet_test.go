package link

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"kcptun/std/testkit"
)

// expected is what ParsePacket should read of a well-formed packet of segments.
func expected(segs []kcpSegment) Packet {
	p := Packet{Kind: Segments, Conv: segs[0].conv, Una: segs[0].una}
	p.Begins = segs[0].cmd == 81 && segs[0].sn == 0
	for _, s := range segs {
		p.Begins = p.Begins && s.una == 0
		switch s.cmd {
		case 81:
			if !p.Push || int32(p.First-s.sn) > 0 {
				p.First = s.sn
			}
			if !p.Push || int32(s.ts-p.Stamp) > 0 {
				p.Stamp = s.ts
			}
		case 82:
			p.Acked, p.Ack, p.AckStamp = true, s.sn, s.ts
		}
		if int32(s.una-p.Una) > 0 {
			p.Una = s.una
		}
		if s.cmd == 81 && (!p.Push || int32(s.sn+1-p.Next) > 0) {
			p.Push, p.Next = true, s.sn+1
		}
		if s.cmd == 84 {
			p.Tells, p.Number = true, s.sn
		}
		p.Window = s.wnd
	}
	return p
}

func TestParsePacketOfKCP(t *testing.T) {
	for _, stream := range []bool{true, false} {
		for _, shards := range [][2]int{{0, 0}, {3, 2}} {
			t.Run(fmt.Sprintf("stream=%v/fec=%v", stream, shards), func(t *testing.T) {
				checkCapture(t, conversation(t, shards[0], shards[1], stream), shards[0] > 0)
			})
		}
	}
}

func checkCapture(t *testing.T, packets [][]byte, fec bool) {
	for _, b := range packets {
		got, ok := ParsePacket(b)
		if !ok {
			t.Fatalf("not a packet: %x", b)
		}
		var want Packet
		switch {
		case fec && binary.LittleEndian.Uint16(b[4:]) == 0xf2:
			want = Packet{Kind: Parity}
		case fec && binary.LittleEndian.Uint16(b[4:]) == 0xf3:
			want = Packet{Kind: OutOfBand, Conv: captureConv}
		case fec:
			want = expected(segments(b[8:]))
			want.Framed = true
		default:
			want = expected(segments(b))
		}
		if got != want {
			t.Fatalf("%x\n got %+v\nwant %+v", b, got, want)
		}
		if fec || len(b) < 24 {
			continue
		}
		// Every cut that ends inside a segment is refused.
		end := 24 + int(binary.LittleEndian.Uint32(b[20:]))
		if _, ok := ParsePacket(b[:end-1]); ok {
			t.Fatalf("cut to %d of %d bytes, and still a packet", end-1, end)
		}
	}
}

// seg writes a segment.
func seg(conv uint32, cmd byte, sn, una uint32, data string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, conv)
	b = append(b, cmd, 0, 9, 0) // frg, wnd
	for _, v := range []uint32{77, sn, una, uint32(len(data))} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, data...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func withFEC(kind uint16, rest []byte) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{1, 0, 0, 0}, kind)
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(rest)+2)), rest...)
}

// claim changes the length that the first segment claims.
func claim(b []byte, length uint32) []byte {
	binary.LittleEndian.PutUint32(b[20:], length)
	return b
}

func TestParsePacketShapes(t *testing.T) {
	const top = 0xffffffff
	packet := func(una uint32, next ...uint32) *Packet {
		p := &Packet{Kind: Segments, Conv: 5, Una: una, Window: 9}
		if len(next) > 0 {
			p.Push, p.First, p.Next, p.Stamp = true, next[0]-1, next[0], 77
		}
		return p
	}
	acked := func(p *Packet, sn uint32) *Packet {
		p.Acked, p.Ack, p.AckStamp = true, sn, 77
		return p
	}
	tells := func(p *Packet, sn uint32) *Packet {
		p.Tells, p.Number = true, sn
		return p
	}
	first := func(next uint32) *Packet {
		p := packet(0, next)
		p.Begins = true
		return p
	}
	from := func(sn uint32, p *Packet) *Packet {
		p.First = sn
		return p
	}
	framed := packet(2, 4)
	framed.Framed = true
	for _, c := range []struct {
		name string
		b    []byte
		want *Packet // nil is refused
	}{
		{"push", seg(5, 81, 3, 2, "data"), packet(2, 4)},
		{"empty push", seg(5, 81, 3, 2, ""), packet(2, 4)},
		{"ack names no number pushed", seg(5, 82, 3, 2, ""), acked(packet(2), 3)},
		{"window ask", seg(5, 83, 0, 2, ""), packet(2)},
		{"window tell", seg(5, 84, 0, 2, ""), tells(packet(2), 0)},
		{"the highest of several pushes", join(seg(5, 81, 7, 2, "a"), seg(5, 81, 3, 2, "b")), from(3, packet(2, 8))},
		{"the highest of several una", join(seg(5, 82, 7, 2, ""), seg(5, 82, 3, 9, ""), seg(5, 82, 3, 4, "")), acked(packet(9), 3)},
		{"ack and push", join(seg(5, 82, 100, 2, ""), seg(5, 81, 3, 2, "b")), acked(packet(2, 4), 100)},
		{"the first of a conversation", seg(5, 81, 0, 0, "a"), first(1)},
		{"the first two", join(seg(5, 81, 0, 0, "a"), seg(5, 81, 1, 0, "b")), from(0, first(2))},
		{"the second alone", seg(5, 81, 1, 0, "a"), packet(0, 2)},
		{"the second before the first", join(seg(5, 81, 1, 0, "b"), seg(5, 81, 0, 0, "a")), from(0, packet(0, 2))},
		{"the first, and something was heard", seg(5, 81, 0, 1, "a"), packet(1, 1)},
		{"the first, and something was heard since", join(seg(5, 81, 0, 0, "a"), seg(5, 81, 1, 1, "b")), from(0, packet(1, 2))},
		{"window ask of nothing", seg(5, 83, 0, 0, ""), packet(0)},
		{"window tell of nothing", seg(5, 84, 0, 0, ""), tells(packet(0), 0)},
		{"ack of number 0", seg(5, 82, 0, 0, ""), acked(packet(0), 0)},
		{"push of the last number", seg(5, 81, top, 2, "a"), packet(2, 0)},
		{"pushes around the wrap", join(seg(5, 81, top, top, "a"), seg(5, 81, 0, top, "b")), from(top, packet(top, 1))},
		{"una around the wrap", join(seg(5, 82, 1, top, ""), seg(5, 82, 1, 1, "")), acked(packet(1), 1)},
		{"a rest below a header is ignored", join(seg(5, 82, 1, 2, ""), make([]byte, 23)), acked(packet(2), 1)},
		{"data with FEC", withFEC(0xf1, seg(5, 81, 3, 2, "data")), framed},
		{"parity of any content", withFEC(0xf2, make([]byte, 99)), &Packet{Kind: Parity}},
		{"out of band", withFEC(0xf3, []byte{5, 0, 0, 0, 'x'}), &Packet{Kind: OutOfBand, Conv: 5}},
		{"out of band and empty", withFEC(0xf3, []byte{5, 0, 0, 0}), &Packet{Kind: OutOfBand, Conv: 5}},

		{"nothing", nil, nil},
		{"one byte short of anything", withFEC(0xf3, []byte{5, 0, 0}), nil},
		{"short segment", seg(5, 82, 1, 2, "")[:23], nil},
		{"short segment behind FEC", withFEC(0xf1, seg(5, 82, 1, 2, "")[:23]), nil},
		{"command below", seg(5, 80, 1, 2, ""), nil},
		{"command above", seg(5, 85, 1, 2, ""), nil},
		{"second command wrong", join(seg(5, 82, 1, 2, ""), seg(5, 0, 1, 2, "")), nil},
		{"length beyond the end", claim(seg(5, 81, 1, 2, "data"), 5), nil},
		{"length beyond a signed number", claim(seg(5, 81, 1, 2, "data"), 1<<31), nil},
		{"length beyond any", claim(seg(5, 81, 1, 2, "data"), top), nil},
		{"two conversations", join(seg(5, 82, 1, 2, ""), seg(6, 82, 1, 2, "")), nil},
		{"unknown FEC type", withFEC(0xf4, seg(5, 82, 1, 2, "")), nil},
		{"noise", testkit.RandomBytes(1, 1300), nil},
	} {
		got, ok := ParsePacket(c.b)
		if ok != (c.want != nil) || ok && got != *c.want || !ok && got != (Packet{}) {
			t.Errorf("%s: %+v %v, want %+v", c.name, got, ok, c.want)
		}
	}
}

func TestAfter(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		want bool
	}{
		{1, 0, true}, {0, 1, false}, {7, 7, false},
		{0, 0xffffffff, true}, {0xffffffff, 0, false}, {0x80000000, 1, true}, {5, 0xfffffff0, true},
	} {
		if after(c.a, c.b) != c.want {
			t.Errorf("after(%#x, %#x) is %v", c.a, c.b, !c.want)
		}
	}
}

func FuzzParsePacket(f *testing.F) {
	for _, b := range [][]byte{
		seg(5, 81, 3, 2, "data"), join(seg(5, 82, 7, 2, ""), seg(5, 81, 3, 9, "b")),
		withFEC(0xf1, seg(5, 81, 3, 2, "data")), withFEC(0xf2, make([]byte, 40)), withFEC(0xf3, make([]byte, 4)),
		withFEC(0xf1, seg(5, 99, 3, 2, "data")),
		claim(seg(5, 81, 1, 2, "data"), 1<<31), {},
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		kept := bytes.Clone(b)
		got, ok := ParsePacket(b)
		if !bytes.Equal(b, kept) {
			t.Fatal("the packet was changed")
		}
		if !ok {
			if got != (Packet{}) {
				t.Fatalf("refused, and yet %+v", got)
			}
			return
		}
		if got.Kind != Segments {
			return
		}
		framed := binary.LittleEndian.Uint16(b[4:]) == 0xf1
		if framed {
			b = b[8:]
		}
		want := expected(segments(b))
		want.Framed = framed
		if got != want { // and segments does not panic: the lengths fit
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}
