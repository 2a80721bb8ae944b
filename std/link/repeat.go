package link

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
	"kcptun/std/metrics"
)

// After a silence, kcp-go retransmits at its next timeout, and its pauses have grown by a
// timeout each time: to more than a second after 5 s, to several seconds after 20 s. So the
// link repeats the newest segment in flight by itself while the peer is silent. Its
// acknowledgement says that all others in flight have been overtaken, and kcp-go retransmits
// them at its next tick.

const (
	// silentLeast is the silence after which segments are repeated. By then, kcp-go has
	// retransmitted them once or twice on most paths.
	silentLeast = time.Second

	// repeatEvery is the time between two repetitions at first. It becomes repeatShare of the
	// silence, up to repeatRarely: whoever does not come back is not to be sent a thousand
	// segments. A network that is back remains unnoticed for no longer than that, and if the
	// peer is heard by itself, the segment is repeated at once.
	repeatEvery  = 250 * time.Millisecond
	repeatShare  = 8 // inverted
	repeatRarely = 4 * time.Second
)

// repeatsHeard is how often the segment is repeated once the peer is heard, as one may be
// lost.
const repeatsHeard = 4

// repeat is the segment that is repeated. The lock guards what is not atomic.
type repeat struct {
	wanted atomic.Bool // the engine has pauses that grow
	held   atomic.Bool // there is a segment

	mu      sync.Mutex
	segment []byte // nil: none
	next    uint32 // one above its number
	left    int    // how often it is repeated once the peer is heard
	timer   *time.Timer
	closed  bool
}

// RepeatInSilence makes the link repeat the newest segment in flight while the peer is silent,
// until Forget. It is for an engine whose pauses between retransmissions grow.
func (p *Peer) RepeatInSilence() { p.repeat.wanted.Store(true) }

// keep keeps the last segment of a packet that is sent again, if it is the newest in flight and
// the peer is silent. A peer that is not confirmed may be a recording, and gets no more than
// kcp-go sends.
func (c *Conn) keep(packet []byte, p *Peer, h *Packet) {
	r, l := &p.repeat, &p.ledger
	if h.Next != l.sndNext.Load() || since(l.heard.Load()) < silentLeast || p.confirmation.isOpen() {
		return
	}
	begin, end := lastSegment(packet)
	if packet[begin+offsetCmd] != cmdPush {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.segment != nil && r.next == h.Next {
		return
	}
	r.segment, r.next, r.left = bytes.Clone(packet[begin:end]), h.Next, repeatsHeard
	r.held.Store(true)
	if r.timer == nil {
		r.timer = time.AfterFunc(repeatEvery, func() { c.repeat(p) })
	} else {
		r.timer.Reset(repeatEvery)
	}
}

// repeat sends the segment that was kept, until the peer has acknowledged it. It holds no
// lock meanwhile: the outbox may be full, and the reader must not wait for it.
func (c *Conn) repeat(p *Peer) {
	defer c.opt.Panics.Catch(func(why error) { c.peers.fail(p, why) })
	segment := p.repeat.again(&p.ledger)
	if segment == nil || c.outboxOf(p).isFull() {
		return
	}
	if n, err := c.put(p, segment); err == nil {
		p.pacing.charge(n)
		metrics.Sent(1, n)
	}
}

// again returns the segment with the present time, and sets the timer for the next one, or
// ends the repetition and returns nil.
func (r *repeat) again(l *ledger) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	silence := since(l.heard.Load())
	if silence < silentLeast {
		r.left--
	} else {
		r.left = repeatsHeard
	}
	if r.segment == nil || r.left < 0 || !after(r.next, l.sndUna.Load()) || !after(r.next, l.sndSacked.Load()) {
		r.drop()
		return nil
	}
	r.timer.Reset(repeatAfter(silence))
	now := l.sndClock.Load() + millis(clock.Now())
	l.stamped(now)
	segment := bytes.Clone(r.segment)
	binary.LittleEndian.PutUint32(segment[offsetTS:], now)
	binary.LittleEndian.PutUint16(segment[offsetWnd:], uint16(l.rcvWindow.Load()))
	binary.LittleEndian.PutUint32(segment[offsetUna:], l.rcvUna.Load())
	return segment
}

// repeatAfter is the time from a repetition to the next one if the peer has been silent for so
// long.
func repeatAfter(silence time.Duration) time.Duration {
	return min(max(repeatEvery, silence/repeatShare), repeatRarely)
}

// heardAgain repeats the segment at once when the peer is heard first. The other repetitions
// follow in their time: what loses one may lose all that leave together.
func (r *repeat) heardAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.segment != nil && r.left == repeatsHeard {
		r.timer.Reset(0)
	}
}

// close ends the repetition for good. At most a segment that is on its way is still sent.
func (r *repeat) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.drop()
}

// drop ends the repetition. The lock is held.
func (r *repeat) drop() {
	r.segment = nil
	r.held.Store(false)
	if r.timer != nil {
		r.timer.Stop()
	}
}
