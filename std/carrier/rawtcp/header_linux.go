package rawtcp

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"

	"kcptun/std/carrier"
)

// The header of a segment of the imitation of TCP, identical to tcpraw's: 20 bytes, two
// NOPs, the timestamps and two bytes of padding. tcpraw intends the usual option of 10
// bytes but writes a length of 12, with two zero bytes. Kernels skip an option of the wrong
// length, which spares us their check of the timestamps against those of the handshake (RFC
// 7323, PAWS).
const (
	tcpMinHeader   = 20
	tcpHeaderSize  = 36
	tcpWindow      = 65535
	optionEnd      = 0
	optionNop      = 1
	optionStamps   = 8
	stampsLength   = 12
	flagFIN        = 0x01
	flagSYN        = 0x02
	flagRST        = 0x04
	flagPSH        = 0x08
	flagACK        = 0x10
	protocolTCP    = 6
	ipv4MinHeader  = 20
	offsetSum      = 16
	offsetOptions  = 20
	offsetStampVal = offsetOptions + 4
)

// tcpSegment holds the parts of a TCP segment that the link reads.
type tcpSegment struct {
	src, dst uint16
	seq, ack uint32
	flags    byte
	stamped  bool   // it carries timestamps in tcpraw's form
	stamp    uint32 // the sender's clock; valid only if stamped
	payload  []byte // a slice of the parsed bytes
}

func (s *tcpSegment) has(flag byte) bool { return s.flags&flag != 0 }

func (s *tcpSegment) numbers(at time.Duration) carrier.Numbers {
	return carrier.Numbers{Seq: s.seq, Next: s.next(), Ack: s.ack, Stamp: s.stamp, Acks: s.has(flagACK), Stamped: s.stamped, At: at}
}

// next is the sequence number that follows the segment. SYN and FIN count as one each.
func (s *tcpSegment) next() uint32 {
	next := s.seq + uint32(len(s.payload))
	if s.has(flagSYN) {
		next++
	}
	if s.has(flagFIN) {
		next++
	}
	return next
}

// parseSegment parses a TCP segment, and tells whether it is well formed.
func parseSegment(b []byte) (tcpSegment, bool) {
	if len(b) < tcpMinHeader {
		return tcpSegment{}, false
	}
	size := int(b[12]>>4) * 4
	if size < tcpMinHeader || size > len(b) {
		return tcpSegment{}, false
	}
	s := tcpSegment{
		src:     binary.BigEndian.Uint16(b),
		dst:     binary.BigEndian.Uint16(b[2:]),
		seq:     binary.BigEndian.Uint32(b[4:]),
		ack:     binary.BigEndian.Uint32(b[8:]),
		flags:   b[13],
		payload: b[size:],
	}
	return s, s.options(b[offsetOptions:size])
}

// options looks for the timestamps. It returns false if an option does not fit.
func (s *tcpSegment) options(b []byte) bool {
	for len(b) > 0 {
		switch b[0] {
		case optionEnd:
			return true
		case optionNop:
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return false
		}
		if b[0] == optionStamps && b[1] == stampsLength && !s.stamped {
			s.stamped, s.stamp = true, binary.BigEndian.Uint32(b[2:])
		}
		b = b[b[1]:]
	}
	return true
}

// parseIPv4 splits an IPv4 packet that carries TCP.
func parseIPv4(b []byte) (src, dst netip.Addr, rest []byte, ok bool) {
	if len(b) < ipv4MinHeader || b[0]>>4 != 4 || b[9] != protocolTCP {
		return
	}
	size := int(b[0]&15) * 4
	if size < ipv4MinHeader || size > len(b) {
		return
	}
	return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[size:], true
}

// headerFields are the fields that vary between the segments of a flow.
type headerFields struct {
	seq, ack    uint32
	stamp, echo uint32 // our clock in ms, and the peer's last one
}

// newHeader returns a header with the fields that never change.
func newHeader(src, dst uint16) (h [tcpHeaderSize]byte) {
	binary.BigEndian.PutUint16(h[0:], src)
	binary.BigEndian.PutUint16(h[2:], dst)
	h[12] = tcpHeaderSize / 4 << 4
	h[13] = flagPSH | flagACK
	binary.BigEndian.PutUint16(h[14:], tcpWindow)
	copy(h[offsetOptions:], []byte{optionNop, optionNop, optionStamps, stampsLength})
	return h
}

// fillHeader completes a header from newHeader for a payload. pseudo is the sum returned by
// pseudoSum.
func fillHeader(h *[tcpHeaderSize]byte, f headerFields, pseudo uint64, payload []byte) {
	binary.BigEndian.PutUint32(h[4:], f.seq)
	binary.BigEndian.PutUint32(h[8:], f.ack)
	binary.BigEndian.PutUint32(h[offsetStampVal:], f.stamp)
	binary.BigEndian.PutUint32(h[offsetStampVal+4:], f.echo)
	h[offsetSum], h[offsetSum+1] = 0, 0
	sum := sumBytes(pseudo+uint64(len(h)+len(payload)), h[:])
	binary.BigEndian.PutUint16(h[offsetSum:], ^foldSum(sumBytes(sum, payload)))
}

// pseudoSum sums the pseudo header without the length. It is small enough that a length can
// be added without a carry.
func pseudoSum(src, dst netip.Addr) uint64 {
	a, b := src.As16(), dst.As16()
	if src.Is4() {
		// The ::ffff prefix of a mapped address is not part of the sum.
		return uint64(foldSum(sumBytes(sumBytes(protocolTCP, a[12:]), b[12:])))
	}
	return uint64(foldSum(sumBytes(sumBytes(protocolTCP, a[:]), b[:])))
}

// sumIsRight verifies the checksum of a segment as it arrived.
func sumIsRight(pseudo uint64, b []byte) bool {
	return foldSum(sumBytes(pseudo+uint64(len(b)), b)) == 0xffff
}

// sumBytes adds b to a ones' complement sum. Adding eight bytes at a time gives the same
// result as two (RFC 1071), because 2^64 and 2^16 are both 1 modulo 65535. Only the last
// piece of a packet may have an odd length.
func sumBytes(sum uint64, b []byte) uint64 {
	var carry uint64
	for len(b) >= 32 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[8:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[16:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	if len(b) > 0 {
		var last [8]byte
		copy(last[:], b)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(last[:]), carry)
	}
	sum, carry = bits.Add64(sum, 0, carry)
	return sum + carry
}

func foldSum(sum uint64) uint16 {
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
