package link

import (
	"context"
	"encoding/binary"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
)

// ledger is what is known of the segments in both directions. The names follow those of
// TCP: snd is what we send, rcv is what we receive. Each number has one goroutine that
// changes it, and anybody may read it at any time. The writer changes sndNext,
// sndLeft, rcvUna and the stamps of what is sent, the reader changes the rest. What is repeated in
// silence changes sndStamp, too.
type ledger struct {
	sndBegun  atomic.Bool   // data was sent, and has been since: all numbers here wrap, so none of them tells
	sndNext   atomic.Uint32 // one above the highest sequence number sent
	sndLeft   atomic.Uint32 // with a rate limit: all below it have left at least once
	sndUna    atomic.Uint32 // the peer has acknowledged all below it
	sndSacked atomic.Uint32 // one above the highest number that the peer has acknowledged singly
	sndHeard  atomic.Bool   // the peer has acknowledged something
	heardFrom uint32        // segments from this one on were sent after that; only for the reader
	sndEdge   atomic.Uint32 // the peer has room for segments below it, see open
	edgeAt    time.Duration // when a packet last reached the edge, or moved it; only for the reader
	shut      atomic.Int64  // when the peer last said, at what it has acknowledged, that it has no room, even if open does not believe it; notYet before it

	sndFirstStamp atomic.Uint32 // the stamps of the data sent: the first, or one stampGap before
	sndStamp      atomic.Uint32 // the latest
	sndClock      atomic.Uint32 // how many milliseconds our stamps are ahead of std/clock

	rcvBegun  atomic.Bool   // data was received
	rcvNext   atomic.Uint32 // one above the highest sequence number received
	rcvUna    atomic.Uint32 // we have acknowledged all below it
	rcvWindow atomic.Uint32 // segments that we have told the peer to have room for
	rcvStamp  atomic.Uint32 // the latest stamp of the data received
	rcvClock  atomic.Uint32 // how many milliseconds the peer's clock is ahead of ours; valid once rcvBegun is set
	rcvDoubt  doubt         // about that; only for the reader
	echoes    bool          // the peer has sent stamps of ours back; only for the reader
	echoed    uint32        // the latest of these; only for the reader

	heard atomic.Int64 // when the last packet with news came, see hasNews, by std/clock; notYet before it
	acked atomic.Int64 // when the last packet came that acknowledged something new; notYet before it

	disownedAt int64 // when the server was first said not to know us, with no news since; notYet; only for the reader

	outage outage // the last one
}

// notYet is the time of what has not happened yet. The clock may be below 0 in tests.
const notYet = math.MinInt64

func (l *ledger) init() {
	l.sndEdge.Store(firstEdge)
	l.heard.Store(notYet)
	l.acked.Store(notYet)
	l.shut.Store(notYet)
	l.disownedAt = notYet
	l.outage.ended.Store(notYet)
}

// firstEdge is the window in segments that KCP assumes until it is told of another.
const firstEdge = 32

// since is how long ago a time of std/clock was. For notYet it is as long as can be.
func since(at int64) time.Duration {
	if at == notYet {
		return math.MaxInt64
	}
	return clock.Now() - time.Duration(at)
}

func (l *ledger) inFlight() int {
	return max(0, int(int32(l.sndNext.Load()-l.sndUna.Load())))
}

// window is how many segments beyond those that the peer has acknowledged it has room for.
func (l *ledger) window() uint16 {
	return uint16(min(max(0, int32(l.sndEdge.Load()-l.sndUna.Load())), math.MaxUint16))
}

// Silence is how long ago the last packet with news came, see hasNews. It is false if none
// has.
func (p *Peer) Silence() (time.Duration, bool) {
	at := p.ledger.heard.Load()
	return since(at), at != notYet
}

// InFlight is the number of segments that were sent and are not acknowledged yet. It does
// not include what waits in kcp-go's queue for the window to open.
func (p *Peer) InFlight() int { return p.ledger.inFlight() }

// Progress is how many segments were sent since the conversation began, and how many of
// them, from the first on, the peer has acknowledged. Both numbers wrap.
func (p *Peer) Progress() (sent, acked uint32) {
	acked = p.ledger.sndUna.Load()
	return p.ledger.sndNext.Load(), acked
}

// Busy tells whether something is on its way to the peer, or may be waiting to be sent:
// there are segments in flight, or the peer has no room, or the rate limit holds
// datagrams back.
func (p *Peer) Busy() bool {
	return p.InFlight() > 0 || p.ledger.window() == 0 || p.IsHeld()
}

// Owes tells whether we have received data that we have not acknowledged yet.
func (p *Peer) Owes() bool { return after(p.ledger.rcvNext.Load(), p.ledger.rcvUna.Load()) }

// maxEarly is how many segments a peer may send before it is confirmed. KCP assumes a
// window of 32 until it is told of another, and whatever it sends after that follows its
// acknowledgement. The rest of a replayed recording must not fill our memory.
const maxEarly = 64

// plausible tells whether a packet may come from the peer now. It may not if it brings much
// data before the peer has shown that it hears us, and does not show that itself.
func (p *Peer) plausible(h *Packet, now time.Duration) bool {
	isEarly := h.Push && after(h.Next, maxEarly) && p.confirmation.isOpen() && !p.isProof(h)
	return !isEarly && p.possible(h, now)
}

// possible tells whether a packet can come from the peer. It cannot if we have sent it, or if
// it acknowledges what was never sent.
func (p *Peer) possible(h *Packet, now time.Duration) bool {
	next := p.ledger.sndNext.Load()
	if h.Kind != Segments {
		return true
	}
	return !after(h.Una, next) && (!h.Acked || after(next, h.Ack)) && !p.ledger.isReflected(h, now)
}

// received records a packet of the peer that holds segments. A packet changes only what it
// has the last word on: one that was delayed or is replayed moves nothing back. received
// tells whether markStale has to be called because the packet speaks of the past; old is
// whether all of it does.
func (p *Peer) received(h *Packet, now time.Duration, at netip.Addr) (old, stale bool) {
	l := &p.ledger
	news := l.hasNews(h, now)
	lives := news || l.isReport(h, now)
	if lives {
		if before := l.heard.Load(); before != int64(now) { // many packets arrive at once
			l.heard.Store(int64(now))
			if before == notYet && p.life.answered != nil {
				close(p.life.answered)
			}
			l.endOutage(before, now)
		}
	}
	p.hooks.active()
	known := l.sndUna.Load()
	old = after(known, h.Una)
	if !old && h.Window == 0 {
		l.shut.Store(int64(now))
	}
	isLast := !old && l.open(h, news, now)
	fresh := l.receive(h, now)
	if l.sndUna.Load() != known {
		l.acked.Store(int64(now))
	}
	if lives && p.repeat.held.Load() {
		p.repeat.heardAgain()
	}
	if local := p.way.Load().Local; at != local && at.IsValid() && (fresh || !local.IsValid()) {
		p.sendFrom(at)
	}
	if p.confirmation.isOpen() {
		p.confirm(h)
	}
	old = old || l.isOfOutage(h, now)
	return old, old || !isLast || h.Acked && after(known, h.Ack)
}

// open records how far the window of the peer reaches, and tells whether the packet has the
// last word on that. A peer does not take back what it has announced, unless it runs short of
// memory. So a packet without news that reaches less far is older than another with the same
// una, or a recording of that: it must not close the window. But a peer that has less room
// now may have no news: it is believed when nothing has reached the edge for edgeHolds. If
// a recording is believed then, the engine asks after half a second. A window that is too
// large costs retransmissions of what found no room.
func (l *ledger) open(h *Packet, news bool, now time.Duration) bool {
	edge := h.Una + uint32(h.Window)
	if !news && after(l.sndEdge.Load(), edge) && now-l.edgeAt < edgeHolds {
		return false
	}
	if l.sndEdge.Load() != edge { // to store is much dearer than to load
		l.sndEdge.Store(edge)
	}
	l.edgeAt = now
	return true
}

// edgeHolds is how long the edge of a window is believed against packets without news. It
// is much longer than the path delays a packet, and shorter than reportCounts.
const edgeHolds = 10 * time.Second

// receive records the data in a packet of the peer, and what the packet says has arrived at
// the peer, however old it is. It tells whether any of that is new.
func (l *ledger) receive(h *Packet, now time.Duration) (fresh bool) {
	if l.isLater(h, now) {
		l.rcvStamp.Store(h.Stamp)
	}
	if l.isNew(h) {
		l.setClock(h.Stamp, now)
		l.rcvNext.Store(h.Next)
		if !l.rcvBegun.Load() {
			l.rcvBegun.Store(true)
		}
		fresh = true
	}
	if after(h.Una, l.sndUna.Load()) {
		l.sndUna.Store(h.Una)
		if !l.sndHeard.Load() {
			l.heardFrom = l.sndNext.Load()
			l.sndHeard.Store(true)
		} else if after(h.Una, l.heardFrom) {
			l.heardFrom = h.Una // numbers wrap
		}
		fresh = true
	}
	if h.Acked && (!l.echoes || after(h.AckStamp, l.echoed)) {
		l.echoes, l.echoed = true, h.AckStamp
	}
	if l.isSacked(h) {
		l.sndSacked.Store(h.Ack + 1)
	}
	return fresh
}

// hasNews tells whether a packet shows that the peer is there now, as no recording does. It
// is the first one, it holds data that is new or was sent later than all before, or it
// acknowledges something for the first time or something that was sent later.
func (l *ledger) hasNews(h *Packet, now time.Duration) bool {
	return l.heard.Load() == notYet || l.isNew(h) || l.isLater(h, now) ||
		after(h.Una, l.sndUna.Load()) || l.isSacked(h) || h.Acked && after(h.AckStamp, l.echoed)
}

// isReport tells whether a packet only reports a window or asks for one, and counts as a
// sign of life all the same: it looks like a recording, but may be all that the peer has to
// say. Unless it is older than the last acknowledgement, it counts for reportCounts after
// that, and for maxShut if the peer has no room.
func (l *ledger) isReport(h *Packet, now time.Duration) bool {
	if h.Push || h.Acked || after(l.sndUna.Load(), h.Una) {
		return false
	}
	counts := reportCounts
	if l.window() == 0 {
		counts = maxShut
	}
	acked := l.acked.Load()
	return acked != notYet && now-time.Duration(acked) < counts
}

// reportCounts is much longer than it takes to notice that a path drops what is large: only
// the answers to requests for a window arrive then.
const reportCounts = 30 * time.Second

// farthest is how far the data of a peer can reach beyond what we have acknowledged:
// windows have 16 bits.
const farthest = 1<<16 + 1

// isNew tells whether a packet holds data beyond all that was received, and within what a
// peer may send.
func (l *ledger) isNew(h *Packet) bool {
	return h.Push && after(h.Next, l.rcvNext.Load()) && !after(h.Next, l.rcvUna.Load()+farthest)
}

// isLater tells whether a packet holds data that was sent later than all that was received,
// and not later than the clock of the peer may show now.
func (l *ledger) isLater(h *Packet, now time.Duration) bool {
	return h.Push && l.rcvBegun.Load() && after(h.Stamp, l.rcvStamp.Load()) && l.ahead(h.Stamp, now) < clockSlack &&
		!after(h.Next, l.rcvUna.Load()+farthest)
}

// isSacked tells whether a packet acknowledges a segment above all that were acknowledged
// singly before.
func (l *ledger) isSacked(h *Packet) bool { return h.Acked && after(h.Ack+1, l.sndSacked.Load()) }

// sent records a packet to the peer.
func (p *Peer) sent(h *Packet) {
	p.hooks.active()
	if h.Kind != Segments {
		return
	}
	if h.Push {
		p.pushed(h)
	}
	if l := &p.ledger; p.owns(h) {
		l.rcvWindow.Store(uint32(h.Window))
		if after(h.Una, l.rcvUna.Load()) {
			l.rcvUna.Store(h.Una)
		}
	}
}

// pushed records data to the peer. At a dialled link, the first data begins the
// conversation.
func (p *Peer) pushed(h *Packet) {
	p.begin(h.Conv)
	if !p.owns(h) {
		return
	}
	l := &p.ledger
	if !l.sndBegun.Load() {
		l.sndClock.Store(h.Stamp - millis(clock.Now()))
		l.sndFirstStamp.Store(h.Stamp)
		l.sndStamp.Store(h.Stamp)
	} else if l.stamped(h.Stamp) {
		if h.Stamp-l.sndFirstStamp.Load() > stampGap {
			l.sndFirstStamp.Store(h.Stamp - stampGap)
		}
	}
	if after(h.Next, l.sndNext.Load()) {
		l.sndNext.Store(h.Next)
	}
	if !l.sndBegun.Load() {
		l.sndBegun.Store(true) // last: whoever sees it finds the rest
	}
}

// stamped records the stamp of data that is sent. It tells whether it is the latest.
func (l *ledger) stamped(stamp uint32) bool {
	for {
		latest := l.sndStamp.Load()
		if !after(stamp, latest) {
			return false
		}
		if l.sndStamp.CompareAndSwap(latest, stamp) {
			return true
		}
	}
}

// markStale changes a packet in place, so that KCP does not mistake for new what was true
// when the packet was sent. It is for packets that were restored, delayed or replayed. KCP
// already knows of the acknowledgements below known. It would take the time since then for
// a round trip, and set its timeout by that. So they become segments that only report a
// window.
//
// The window is replaced by what is known of it, see open. If all that the packet says is
// old, an acknowledgement that is new all the same gets a time in the future, from which
// KCP derives no round trip; KCP reads the time of the last one only. KCP also
// believes that this acknowledgement has overtaken the segments that were retransmitted
// since: it may retransmit one of them once more.
func (l *ledger) markStale(packet []byte, known uint32, old bool) {
	window := l.window()
	var last []byte
	for b := packet; len(b) >= segHeader; b = b[segHeader+binary.LittleEndian.Uint32(b[offsetLen:]):] {
		binary.LittleEndian.PutUint16(b[offsetWnd:], window)
		switch {
		case b[offsetCmd] != cmdAck:
		case after(known, binary.LittleEndian.Uint32(b[offsetSN:])):
			b[offsetCmd] = cmdWindow
		default:
			last = b
		}
	}
	if old && last != nil {
		binary.LittleEndian.PutUint32(last[offsetTS:], binary.LittleEndian.Uint32(last[offsetTS:])+1<<30)
	}
}

// Drain waits until everything sent to the peer is acknowledged and nothing more was sent
// for the time quiet, or until ctx ends. quiet must be longer than kcp-go's interval:
// within one interval kcp-go moves data from its queue to the link, if the peer has room
// for it and none waits for the rate limit.
func (p *Peer) Drain(ctx context.Context, quiet time.Duration) error {
	tick := time.NewTicker(max(quiet/8, time.Millisecond))
	defer tick.Stop()
	last, since := p.ledger.sndNext.Load(), time.Now()
	for {
		if next := p.ledger.sndNext.Load(); next != last || p.Busy() {
			last, since = next, time.Now()
		}
		if time.Since(since) >= quiet {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.table.stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
