package rawtcp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"

	"kcptun/std/testkit"
)

// golden is a segment that tcpraw v1.2.32 sent, as tcpdump saw it on a wire.
var golden = struct {
	src, dst netip.AddrPort
	fields   headerFields
	payload  string // in hex, as the next
	wire     string
}{
	src:     netip.MustParseAddrPort("192.0.2.11:44504"),
	dst:     netip.MustParseAddrPort("192.0.2.1:29900"),
	fields:  headerFields{seq: 0x9b9d9566, ack: 0xa9f37ce2, stamp: 0x042cc971, echo: 0},
	payload: "07000000510000012200000000000000000000000100000021",
	wire: "add874cc9b9d9566a9f37ce29018fffffe6a0000" + "0101080c042cc971000000000000" + "0000" +
		"07000000510000012200000000000000000000000100000021",
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func build(src, dst netip.AddrPort, fields headerFields, payload []byte) []byte {
	h := newHeader(src.Port(), dst.Port())
	fillHeader(&h, fields, pseudoSum(src.Addr(), dst.Addr()), payload)
	return append(h[:], payload...)
}

func TestHeaderGolden(t *testing.T) {
	got := build(golden.src, golden.dst, golden.fields, unhex(t, golden.payload))
	if want := unhex(t, golden.wire); !bytes.Equal(got, want) {
		t.Errorf("built\n%x, want\n%x", got, want)
	}
}

// slowSum is the checksum as RFC 1071 writes it down.
func slowSum(src, dst netip.Addr, b []byte) uint16 {
	data := append(append(append([]byte{}, src.AsSlice()...), dst.AsSlice()...), 0, protocolTCP)
	data = binary.BigEndian.AppendUint32(data, uint32(len(b)))
	data = append(data, b...)
	if len(data)%2 != 0 {
		data = append(data, 0)
	}
	sum := 0
	for i := 0; i < len(data); i += 2 {
		sum += int(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

func TestChecksum(t *testing.T) {
	ends := [][2]string{
		{"192.0.2.11:1", "192.0.2.1:2"},
		{"255.255.255.255:65535", "255.255.255.255:65535"},
		{"[2001:db8::11]:1", "[2001:db8::1]:2"},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[::]:0"},
	}
	for _, e := range ends {
		src, dst := netip.MustParseAddrPort(e[0]), netip.MustParseAddrPort(e[1])
		pseudo := pseudoSum(src.Addr(), dst.Addr())
		if back := pseudoSum(dst.Addr(), src.Addr()); back != pseudo {
			t.Errorf("%v: the sum depends on the direction: %x, %x", e, pseudo, back)
		}
		for size := range 130 {
			for seed, payload := range [][]byte{testkit.RandomBytes(uint64(size), size), bytes.Repeat([]byte{0xff}, size), make([]byte, size)} {
				b := build(src, dst, headerFields{seq: ^uint32(0), ack: uint32(seed)}, payload)
				if got := slowSum(src.Addr(), dst.Addr(), b); got != 0xffff {
					t.Fatalf("%v, %d bytes: the sum over all is %x", e, size, got)
				}
				if !sumIsRight(pseudo, b) {
					t.Fatalf("%v, %d bytes: the sum is said to be wrong", e, size)
				}
				b[len(b)/2] ^= 0x10
				if sumIsRight(pseudo, b) {
					t.Fatalf("%v, %d bytes: a flipped bit is not seen", e, size)
				}
			}
		}
	}
}

func TestParseSegment(t *testing.T) {
	wire := unhex(t, golden.wire)
	change := func(at int, values ...byte) []byte {
		b := bytes.Clone(wire)
		copy(b[at:], values)
		return b
	}
	full := tcpSegment{src: 44504, dst: 29900, seq: 0x9b9d9566, ack: 0xa9f37ce2, flags: flagPSH | flagACK, stamped: true, stamp: 0x042cc971, payload: unhex(t, golden.payload)}
	unstamped := full
	unstamped.stamped, unstamped.stamp = false, 0
	plain := unstamped
	plain.payload = wire[20:]
	for _, c := range []struct {
		name string
		b    []byte
		want *tcpSegment
	}{
		{"tcpraw's", wire, &full},
		{"empty", nil, nil},
		{"19 bytes", wire[:19], nil},
		{"20 bytes that claim 36", wire[:20], nil},
		{"35 bytes that claim 36", wire[:35], nil},
		{"no options", change(12, 0x50), &plain},
		{"offset below the header", change(12, 0x40), nil},
		{"offset above the packet", change(12, 0xf0)[:59], nil},
		{"a kernel's timestamps", change(20, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0), &unstamped},
		{"end of options before the timestamps", change(20, 0), &unstamped},
		{"an option before them", change(20, 2, 2), &full},
		{"option of length 0", change(20, 2, 0), nil},
		{"option of length 1", change(20, 2, 1), nil},
		{"option above the header", change(20, 2, 17), nil},
		{"option up to the end", change(20, 2, 16), &unstamped},
		{"kind without a length", change(20, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 8), nil},
	} {
		got, ok := parseSegment(c.b)
		if ok != (c.want != nil) {
			t.Errorf("%s: well formed: %v", c.name, ok)
			continue
		}
		if ok && (!bytes.Equal(got.payload, c.want.payload) || got.stamped != c.want.stamped || got.stamp != c.want.stamp ||
			got.src != c.want.src || got.dst != c.want.dst || got.seq != c.want.seq || got.ack != c.want.ack || got.flags != c.want.flags) {
			t.Errorf("%s: %+v, want %+v", c.name, got, *c.want)
		}
	}
}

func TestSegmentNext(t *testing.T) {
	for flags, want := range map[byte]uint32{0: 2, flagSYN: 3, flagFIN: 3, flagSYN | flagFIN: 4, flagPSH | flagACK | flagRST: 2} {
		s := tcpSegment{seq: ^uint32(0) - 2, payload: make([]byte, 5), flags: flags}
		if got := s.next(); got != want {
			t.Errorf("flags %x: %d, want %d", flags, got, want)
		}
	}
}

func TestParseIPv4(t *testing.T) {
	packet := func(change func(b []byte)) []byte {
		b := append(unhex(t, "4500002900004000400600000a000001c0000201"), "payload"...)
		change(b)
		return b
	}
	for _, c := range []struct {
		name   string
		b      []byte
		header int // 0 is none
	}{
		{"plain", packet(func([]byte) {}), 20},
		{"with options", packet(func(b []byte) { b[0] = 0x46 }), 24},
		{"no payload", packet(func([]byte) {})[:20], 20},
		{"cut", packet(func([]byte) {})[:19], 0},
		{"empty", nil, 0},
		{"header below 20", packet(func(b []byte) { b[0] = 0x44 }), 0},
		{"header above the packet", packet(func(b []byte) { b[0] = 0x4f }), 0},
		{"version 6", packet(func(b []byte) { b[0] = 0x65 }), 0},
		{"UDP", packet(func(b []byte) { b[9] = 17 }), 0},
	} {
		src, dst, rest, ok := parseIPv4(c.b)
		if ok != (c.header > 0) {
			t.Errorf("%s: well formed: %v", c.name, ok)
		} else if ok && (src.String() != "10.0.0.1" || dst.String() != "192.0.2.1" || !bytes.Equal(rest, c.b[c.header:])) {
			t.Errorf("%s: %v, %v, %q", c.name, src, dst, rest)
		}
	}
}

func FuzzParseTCP(f *testing.F) {
	wire, err := hex.DecodeString(golden.wire)
	if err != nil {
		f.Fatal(err)
	}
	ip, _ := hex.DecodeString("4500002900004000400600000a000001c0000201")
	f.Add(wire)
	f.Add(append(ip, wire...))
	f.Add(wire[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, rest, ok := parseIPv4(b); ok && len(rest) > len(b)-ipv4MinHeader {
			t.Fatalf("%d bytes out of %d", len(rest), len(b))
		}
		s, ok := parseSegment(b)
		if !ok {
			return
		}
		if size := len(b) - len(s.payload); size < tcpMinHeader || size > 60 || size%4 != 0 {
			t.Fatalf("a header of %d bytes", size)
		}
		// What we build of it is read back the same.
		again := build(netip.AddrPortFrom(golden.src.Addr(), s.src), netip.AddrPortFrom(golden.dst.Addr(), s.dst),
			headerFields{seq: s.seq, ack: s.ack, stamp: s.stamp}, s.payload)
		r, ok := parseSegment(again)
		if !ok || r.src != s.src || r.dst != s.dst || r.seq != s.seq || r.ack != s.ack || r.stamp != s.stamp || !bytes.Equal(r.payload, s.payload) {
			t.Fatalf("%+v became %+v", s, r)
		}
	})
}

func BenchmarkFillHeader(b *testing.B) {
	h := newHeader(1, 2)
	payload := testkit.RandomBytes(1, 1350)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		fillHeader(&h, golden.fields, 0, payload)
	}
}
