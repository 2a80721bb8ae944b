package link

import (
	"encoding/binary"
	"time"
)

const (
	// probesLost is how many probes of a size have to be lost until it counts as too large.
	// If the path loses a share of x at random, that is wrong with a probability of x^4:
	// one in 160,000 at 5 %. It costs 1 to 10 % of the size of packets, until searchAgain.
	probesLost = 4

	// probeGap is the time between two probes. Each one that is lost costs a retransmission,
	// and bursts of loss should not hit several.
	probeGap = 500 * time.Millisecond

	// sizeStep is the exactness of the search, in bytes.
	sizeStep = 16

	// searchAgain is how long after a search that has found a limit the next one begins; the
	// PMTU_RAISE_TIMER of RFC 8899.
	searchAgain = 10 * time.Minute
)

// mark is a segment in a large packet, and the time of its transmission as on the wire.
type mark struct {
	sn, stamp uint32
	size      int // of the datagram; 0: no mark
	at        time.Duration
}

func (m *mark) is(sn, stamp uint32) bool { return m.size > 0 && m.sn == sn && m.stamp == stamp }

// search looks for the largest datagram that passes. It first tries the largest that the
// settings allow, and then halves what is left.
type search struct {
	most     int // by the settings
	passes   int // datagrams of this size pass
	fails    int // datagrams of this size do not; above most at first
	trying   int // the size of the next probe
	lost     int // probes of that size that were lost
	probe    mark
	repeated bool          // the segment of the probe was sent again
	unclear  bool          // in the same millisecond: an acknowledgement does not tell which has arrived
	next     time.Duration // the earliest time of the next probe; notYet: now
	from     uint32        // segments below it were sent before the search began, see sizing.inFragments
}

func (s *search) begin(passes, most int) {
	*s = search{most: most, passes: passes, fails: most + 1, trying: most, next: notYet, from: s.from}
}

// isOver tells whether there is no size left to try.
func (s *search) isOver() bool { return s.fails-s.passes <= sizeStep || s.passes == s.most }

// pad makes a probe of a packet if one is due, and otherwise returns nil. overhead is what
// the seal adds.
func (s *search) pad(packet []byte, h *Packet, overhead int, now time.Duration) []byte {
	if s.probe.size > 0 || now < s.next {
		return nil
	}
	if s.isOver() {
		s.begin(s.passes, s.most)
	}
	s.next = now + probeGap
	s.probe, s.repeated, s.unclear = mark{h.Next - 1, h.Stamp, s.trying, now}, false, false
	return padded(packet, s.trying-overhead)
}

// sent records a packet to the peer. If it repeats the segment of the probe, una says
// nothing of the probe any more.
func (s *search) sent(h *Packet) {
	if p := s.probe; p.size > 0 && !after(h.First, p.sn) && after(h.Next, p.sn) {
		s.repeated, s.unclear = true, s.unclear || h.Stamp == p.stamp
	}
}

// acknowledged records what the peer has acknowledged: all below una, and the probe itself
// if arrived is set. It tells whether the search has got on. A probe was lost if its segment
// has arrived by another packet.
func (s *search) acknowledged(una uint32, arrived bool) bool {
	size := s.probe.size
	if size == 0 || !arrived && !after(una, s.probe.sn) {
		return false
	}
	s.probe = mark{}
	switch {
	case s.unclear:
		return false
	case arrived || !s.repeated:
		s.passes, s.next = max(size, s.passes), notYet
	case s.lost+1 < probesLost:
		s.lost++
		return false
	default:
		s.fails = size
	}
	s.trying, s.lost = s.passes+(s.fails-s.passes)/2, 0
	return true
}

// padded returns a copy of a packet that has the given length. What follows the packet's
// own segments are segments that report the same window once more, and less than a header
// of zeros: KCP ignores both.
func padded(packet []byte, length int) []byte {
	out := make([]byte, length)
	_, end := lastSegment(packet)
	n := copy(out, packet[:end])
	for fill := reply(packet, cmdWindow); n+segHeader <= length; n += segHeader {
		copy(out[n:], fill[:])
	}
	return out
}

// lastSegment is where the last segment of a packet begins and ends. Fewer bytes than a
// header may follow it.
func lastSegment(packet []byte) (begin, end int) {
	for len(packet)-end >= segHeader {
		begin = end
		end += segHeader + int(binary.LittleEndian.Uint32(packet[begin+offsetLen:]))
	}
	return begin, end
}

// reply is a segment without data that has the conversation, window and una of the last
// segment in a packet.
func reply(packet []byte, command byte) [segHeader]byte {
	begin, _ := lastSegment(packet)
	last := packet[begin:]
	conv, una := binary.LittleEndian.Uint32(last), binary.LittleEndian.Uint32(last[offsetUna:])
	return report(command, conv, binary.LittleEndian.Uint16(last[offsetWnd:]), 0, una)
}
