package link

import (
	"errors"
	"math/rand/v2"
	"time"
)

// The watch suspects that large packets do not pass if the oldest segment in flight was sent
// this often in large packets, for this long, and nothing of that size has arrived since. A
// path that loses a share of x at random loses all these with a probability of x^5 at most,
// and x^13 if other large packets are in flight. Then packets are smaller than necessary
// until the next search.
const (
	watchSends = 5
	watchLeast = 2 * time.Second
)

// watchAsks is the transmission from which on the peer is asked for an answer, which is
// small: if it answers, then only what is large is lost.
const watchAsks = 3

// sameSend is how soon after a transmission its copies follow, which mode auto sends: they are
// lost for the same reason.
const sameSend = 20 * time.Millisecond

// markLasts is how long an acknowledgement is expected for a large segment that was marked.
// Later the mark makes room for another one.
const markLasts = time.Second

// watchAnswer is the time after which a question without an answer shows that nothing passes,
// small or large. What was sent until then counts no more. It is more than a round trip on
// most paths; on others the segment is sent again later than that, too.
const watchAnswer = 500 * time.Millisecond

// stuckAfter is for how long the oldest segment is sent in fragments in vain before its
// conversation ends. kcp-go has then sent it once or twice.
const stuckAfter = 30 * time.Second

// errStuck ends a conversation: new ones get through, and it does not.
var errStuck = errors.New("the path drops large packets now, and what was sent in them before is stuck")

// watch is the suspicion that the path has begun to drop large packets: it follows the
// oldest segment in flight.
type watch struct {
	sn     uint32
	sends  int           // of sn, in large packets; 0: nothing is watched
	since  time.Duration // the first of them
	last   time.Duration // the last of them, without its copies
	asked  time.Duration // when the peer was first asked of those that count
	marks  [8]mark       // large segments sent since the second transmission
	marked int

	certain   bool          // it is more than a suspicion
	certainAt time.Duration // since when
}

// forget ends the suspicion.
func (w *watch) forget() { *w = watch{} }

// sent records a transmission of the oldest segment in flight. heard is when the last packet
// with news came.
func (w *watch) sent(sn uint32, now, heard time.Duration) {
	if w.sends == 0 || w.sn != sn {
		*w = watch{sn: sn, since: now}
	} else if now-w.last < sameSend {
		return
	}
	w.last = now
	if !w.certain && w.sends >= watchAsks && heard < w.asked && now-w.asked >= watchAnswer {
		w.restart(now)
	}
	if w.sends++; w.sends == watchAsks {
		w.asked = now
	}
}

// restart drops what is suspected, because it has another reason: nothing passes, or the peer
// has no room and drops what comes, whatever its size. The peer is still asked, so that it
// does not seem dead.
func (w *watch) restart(now time.Duration) {
	*w = watch{sn: w.sn, sends: min(w.sends, watchAsks-1), since: now, last: w.last}
}

// mark records a large segment. If it is acknowledged, large packets pass, whichever of its
// transmissions has arrived: it has no small one.
func (w *watch) mark(m mark) {
	if w.sends < 2 {
		return
	}
	if w.marked < len(w.marks) {
		w.marks[w.marked] = m
		w.marked++
		return
	}
	for i := range w.marks {
		if m.at-w.marks[i].at > markLasts {
			w.marks[i] = m
			return
		}
	}
}

// isMarked tells whether a segment from first to last is marked.
func (w *watch) isMarked(first, last uint32) bool {
	for i := range w.marks[:w.marked] {
		if sn := w.marks[i].sn; !after(first, sn) && !after(sn, last) {
			return true
		}
	}
	return false
}

// isCertain tells whether large packets do not pass. heard is when the last packet
// with news came.
func (w *watch) isCertain(now, heard time.Duration) bool {
	return w.sends >= watchSends && now-w.since >= watchLeast && heard > w.asked
}

// isTurnToSplit tells whether to make a packet large enough to be split, where that has to be
// done. Each second one leaves as it is: the suspicion may be wrong, and the path may drop
// fragments. The oldest segment takes turns, and others have no count of their own.
func (w *watch) isTurnToSplit(oldest bool) bool {
	if oldest {
		return w.sends%2 == 1
	}
	return rand.Uint32()%2 == 1
}

// isStuck tells whether there is no hope left for the oldest segment in flight.
func (w *watch) isStuck(una uint32, now time.Duration) bool {
	return w.certain && w.sn == una && now-w.certainAt >= stuckAfter
}

// watchLarge is called for each large packet while there is something to watch. It tells
// whether to ask the peer for an answer. The lock of the sizing is held.
func (c *Conn) watchLarge(packet []byte, p *Peer, h *Packet, oldest bool, now time.Duration) (ask bool) {
	z, heard := &p.sizing, time.Duration(p.ledger.heard.Load())
	if oldest {
		z.watch.sent(p.ledger.sndUna.Load(), now, heard)
		ask = z.watch.sends >= watchAsks
	}
	if p.ledger.window() == 0 || p.ledger.shut.Load() >= int64(z.watch.since) {
		z.watch.restart(now)
		return ask
	}
	if h.Next-1 == h.First {
		z.watch.mark(mark{h.First, h.Stamp, len(packet), now})
	}
	if z.watch.certain || !z.watch.isCertain(now, heard) {
		return ask
	}
	z.watch.certain, z.watch.certainAt, z.inFragments = true, now, true
	z.search.from = p.ledger.sndNext.Load()
	p.way.Load().Fragment(true)
	if size := int(z.size.Load()); size > baseSize {
		c.shrunk(p, size, baseSize)
		z.told = baseSize
		z.search.begin(baseSize, z.most)
		z.resize(baseSize)
	}
	return ask
}
