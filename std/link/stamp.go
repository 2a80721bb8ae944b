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
	return l.sndNext.Load() != 0 && stamp-first <= l.sndStamp.Load()-first
}

// clockSlack is how far the clock of the peer may be from where it is expected: it was
// suspended, or a packet has waited for its rate limit.
const clockSlack = 10 * time.Minute

// mayBeTheirs tells whether the clock of the peer may show a stamp now.
func (l *ledger) mayBeTheirs(stamp uint32, now time.Duration) bool {
	off := time.Duration(int32(stamp-l.rcvClock.Load()-millis(now))) * time.Millisecond
	return l.rcvNext.Load() != 0 && off.Abs() < clockSlack
}

// setClock records how far the clock of the peer is ahead of ours when data of it has come.
func (l *ledger) setClock(stamp uint32, now time.Duration) {
	const exact = 1000 // ms; to follow every packet would cost more than it helps
	ahead := stamp - millis(now)
	if off := ahead - l.rcvClock.Load(); off+exact > 2*exact {
		l.rcvClock.Store(ahead)
	}
}

func millis(d time.Duration) uint32 { return uint32(d / time.Millisecond) }

// isReflected tells whether a packet is one that we have sent ourselves: its data has a
// stamp of ours, or its acknowledgement is for data that we have not sent. A packet with
// neither, which only reports a window or asks for one, does not show which way it went.
func (l *ledger) isReflected(h Packet, now time.Duration) bool {
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
