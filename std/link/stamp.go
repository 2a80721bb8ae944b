package link

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// KCP stamps data with the time of its sender, in milliseconds, and an acknowledgement with
// the stamp of the data that it is for. The stamps on the wire have an origin of the link's,
// drawn at random for each conversation. To the other end a stamp is just a number to return.
// It shows two things here:
//
//   - that a client hears us. A recorded acknowledgement holds a stamp of another
//     conversation, even if that began at the same time of another run; see isProof.
//   - which way a packet went. Both ends seal with the same key, and somebody may replay to
//     one of them what it has sent itself; see isReflected.

// stampGap is how far apart the stamps of the two ends are, at least, if one of them is a
// listening link of ours: 12 days, from either side.
const stampGap = 1 << 30

// drawShift draws the origin of the stamps of a listening link, away from those of its
// client. stamp is that of our first data, by KCP.
func (p *Peer) drawShift(stamp uint32) {
	p.shift.Store(p.ledger.rcvStamp.Load() + stampGap + rand.Uint32()/2 - stamp)
}

// isOurs tells whether we may have sent data of this conversation with a stamp, in the last
// stampGap.
func (l *ledger) isOurs(stamp uint32) bool {
	first := l.sndFirstStamp.Load()
	return l.sndBegun.Load() && stamp-first <= l.sndStamp.Load()-first
}

// clockSlack is how far the clock of the peer may be from where it is expected: it was
// suspended, or a packet has waited for its rate limit.
const clockSlack = 10 * time.Minute

// ahead is how far a stamp is ahead of what the clock of the peer is expected to show now.
func (l *ledger) ahead(stamp uint32, now time.Duration) time.Duration {
	return between(stamp-millis(now), l.rcvClock.Load())
}

// mayBeTheirs tells whether the clock of the peer may show a stamp now.
func (l *ledger) mayBeTheirs(stamp uint32, now time.Duration) bool {
	return l.rcvBegun.Load() && l.ahead(stamp, now).Abs() < clockSlack
}

// doubt is a clock of the peer, as new data has shown it, that is not the one we know.
type doubt struct {
	clock uint32 // milliseconds ahead of ours
	any   bool
}

// setClock records how far the clock of the peer is ahead of ours when new data of it has
// come. Without a seal a stamp may be damaged: a clock that is far from the one we know
// replaces it only if the next data shows the same. A damaged stamp used to be believed, and
// for up to 24 days nothing was later, and nothing restored had a time that could be right.
func (l *ledger) setClock(stamp uint32, now time.Duration) {
	const exact = time.Second // to follow every packet would cost more than it helps
	shown, known := stamp-millis(now), l.rcvClock.Load()
	off := between(shown, known).Abs()
	switch {
	case l.rcvBegun.Load() && off <= exact:
		l.rcvDoubt.any = false
	case l.rcvBegun.Load() && off < clockSlack:
		l.rcvDoubt.any = false
		l.rcvClock.Store(shown)
	case !l.rcvBegun.Load(), l.rcvDoubt.any && between(shown, l.rcvDoubt.clock).Abs() < clockSlack:
		l.rcvDoubt.any = false
		l.rcvClock.Store(shown)
		l.rcvStamp.Store(stamp)
	default:
		l.rcvDoubt = doubt{shown, true}
	}
}

// between is how far one clock is ahead of another, in the milliseconds of stamps, which wrap.
func between(one, other uint32) time.Duration {
	return time.Duration(int32(one-other)) * time.Millisecond
}

func millis(d time.Duration) uint32 { return uint32(d / time.Millisecond) }

// isReflected tells whether a packet is one that we have sent ourselves: its data has a
// stamp of ours, or its acknowledgement is for data that we have not sent. A packet with
// neither, which only reports a window or asks for one, does not show which way it went.
func (l *ledger) isReflected(h *Packet, now time.Duration) bool {
	return h.Push && l.isOurs(h.Stamp) && !l.mayBeTheirs(h.Stamp, now) || h.Acked && !l.isOurs(h.AckStamp)
}

// shiftStamps adds by to the stamps of all segments with the given command, in place.
func shiftStamps(packet []byte, command byte, by uint32) {
	for b := packet; len(b) >= segHeader; {
		if b[offsetCmd] == command {
			binary.LittleEndian.PutUint32(b[offsetTS:], binary.LittleEndian.Uint32(b[offsetTS:])+by)
		}
		size := binary.LittleEndian.Uint32(b[offsetLen:])
		if uint64(size) > uint64(len(b)-segHeader) {
			return
		}
		b = b[segHeader+size:]
	}
}
