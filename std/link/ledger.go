package link

import (
	"context"
	"math"
	"net/netip"
	"time"

	"kcptun/std/clock"
)

// unheard is when a peer was heard that was not yet. The clock may be below 0 in tests.
const unheard = math.MinInt64

// Silence is how long ago the last packet of the peer passed every check. It is false
// where none has.
func (p *Peer) Silence() (time.Duration, bool) {
	at := p.heard.Load()
	return since(at), at != unheard
}

// since is how long ago that was, by std/clock; as long as can be for unheard.
func since(at int64) time.Duration {
	if at == unheard {
		return math.MaxInt64
	}
	return clock.Now() - time.Duration(at)
}

// InFlight is the number of segments sent and not yet acknowledged. What still
// waits in kcp-go's queue for the window to open is not among them.
func (p *Peer) InFlight() int {
	return max(0, int(int32(p.next.Load()-p.una.Load())))
}

// Busy tells whether something is on its way to the peer or may wait to be: it
// is not acknowledged, or the peer has no room, or the rate limit holds it back.
func (p *Peer) Busy() bool {
	return p.InFlight() > 0 || p.room.Load() == 0 || p.paced.Load() > 0
}

// Activity grows with every packet to or from the peer.
func (p *Peer) Activity() uint64 { return p.activity.Load() }

// Owes tells whether data came that is not yet acknowledged.
func (p *Peer) Owes() bool { return after(p.came.Load(), p.told.Load()) }

// active takes note of a packet to or from the peer. The order lets a session fall
// asleep without missing one: it calls OnWake first and looks at Activity afterwards.
func (p *Peer) active() {
	p.activity.Add(1)
	p.Wake()
}

// maxEarly is how many segments a peer may send before it is confirmed. Until KCP has
// heard of a window it takes it for 32, and what it sends after that it sends behind its
// acknowledgement. The rest of a recording that is played again must not fill our memory.
const maxEarly = 64

// canBe tells whether a packet can be of this conversation: an acknowledgement of what
// was never sent cannot, nor much data of somebody who has not heard us.
func (p *Peer) canBe(h Packet) bool {
	next := p.next.Load()
	if h.Kind != Segments {
		return true
	}
	if p.confirmed != nil && h.Push && after(h.Next, maxEarly) && !p.isConfirmed.Load() {
		return false
	}
	return !after(h.Una, next) && (!h.Acked || after(next, h.Ack))
}

// received takes note of a packet of the peer that holds segments. What a packet may
// change is what it is the last word on: one that was held up, or is played again, moves
// nothing back. It tells what was acknowledged before, and whether belate is to be
// called for what the packet says of the past, and for all of it.
//
// A packet with the last una can still be older than another with the same, and tell a
// window that is no longer true. If that is 0, KCP asks after half a second; if it is
// too large, KCP sends again what found no room.
func (p *Peer) received(h Packet, now time.Duration, at netip.Addr) (known uint32, old, belated bool) {
	before := p.heard.Swap(int64(now))
	if before == unheard && p.answered != nil {
		close(p.answered)
	}
	if p.resume(before, now); p.isOfOutage(h, now) {
		old = true
	}
	p.active()
	known = p.una.Load()
	late := after(known, h.Una)
	fresh := p.heardOf(h)
	if p.una.Load() != known {
		p.acked.Store(int64(now))
		if known == 0 {
			p.vouched.Store(p.next.Load())
		}
	}
	if local := p.way.Load().Local; at != local && at.IsValid() && (fresh || !local.IsValid()) {
		p.heardAt(at)
	}
	if !late {
		p.room.Store(int32(h.Window))
	}
	if p.confirmed != nil && !p.isConfirmed.Load() {
		p.confirm(h)
	}
	old = old || late
	return known, old, old || h.Acked && after(known, h.Ack)
}

// isProof tells whether a packet holds an acknowledgement that only somebody can send who
// has heard us: it repeats the time at which data of this conversation was sent.
func (p *Peer) isProof(h Packet) bool {
	return h.Acked && p.isOurs(h.AckStamp)
}

// isOurs tells whether a time of KCP's is one at which we may have sent data of this
// conversation. Those of the other end have another origin.
func (p *Peer) isOurs(stamp uint32) bool {
	first := p.firstStamp.Load()
	return p.next.Load() != 0 && stamp-first <= p.lastStamp.Load()-first
}

// confirm takes note of who the other end is, where a packet proves it.
func (p *Peer) confirm(h Packet) {
	if !p.isProof(h) {
		return
	}
	others, ok := p.table.talks.confirm(p)
	for _, o := range others {
		o.table.evict(o)
	}
	if ok {
		p.isConfirmed.Store(true)
		close(p.confirmed)
	}
}

// farthest is how far beyond what was acknowledged to it a peer can be with its data:
// windows have 16 bits.
const farthest = 1<<16 + 1

// heardOf takes note of the data in a packet of the peer, and of what it says has
// arrived there, however old it is. It tells whether any of it is news.
func (p *Peer) heardOf(h Packet) (fresh bool) {
	if h.Push && p.came.Load() == 0 || p.isLater(h) {
		p.stamp.Store(h.Stamp)
	}
	if p.isNew(h) {
		p.came.Store(h.Next)
		fresh = true
	}
	if after(h.Una, p.una.Load()) {
		p.una.Store(h.Una)
		fresh = true
	}
	if h.Acked && after(h.Ack+1, p.picked.Load()) {
		p.picked.Store(h.Ack + 1)
	}
	return fresh
}

// sent takes note of a packet to the peer.
func (p *Peer) sent(h Packet) {
	p.active()
	if h.Kind != Segments {
		return
	}
	if h.Push {
		p.push(h)
	}
	if p.is(h) && after(h.Una, p.told.Load()) {
		p.told.Store(h.Una)
	}
}

// push takes note of data to the peer. The conversation of a dialled link begins with
// the first.
func (p *Peer) push(h Packet) {
	if !p.begun.Load() {
		p.conv.Store(h.Conv)
		p.begun.Store(true)
	}
	if !p.is(h) {
		return
	}
	if p.next.Load() == 0 {
		p.firstStamp.Store(h.Stamp)
		p.lastStamp.Store(h.Stamp)
	} else if after(h.Stamp, p.lastStamp.Load()) {
		p.lastStamp.Store(h.Stamp)
	}
	if after(h.Next, p.next.Load()) {
		p.next.Store(h.Next)
	}
}

// Drain waits until everything sent to the peer is acknowledged and nothing more
// was sent for the time of quiet, or until ctx ends. quiet must be longer than
// kcp-go's interval, in which it moves data from its queue to the link: as long
// as the peer has room for it, and none waits for the rate limit.
func (p *Peer) Drain(ctx context.Context, quiet time.Duration) error {
	tick := time.NewTicker(max(quiet/8, time.Millisecond))
	defer tick.Stop()
	last, since := p.next.Load(), time.Now()
	for {
		if next := p.next.Load(); next != last || p.Busy() {
			last, since = next, time.Now()
		}
		if time.Since(since) >= quiet {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
