package link

import (
	"context"
	"net/netip"
	"time"
)

// Heard is when the last packet of the peer passed every check; the zero time
// where none has.
func (p *Peer) Heard() time.Time {
	if ns := p.heard.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// InFlight is the number of segments sent and not yet acknowledged. What still
// waits in kcp-go's queue for the window to open is not among them.
func (p *Peer) InFlight() int {
	if !p.pushed.Load() {
		return 0
	}
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

// received takes note of a packet of the peer.
func (p *Peer) received(h Packet, now int64, at netip.Addr) {
	p.heard.Store(now)
	p.active()
	if old := p.local.Load(); at.IsValid() && (old == nil || *old != at) {
		here := at // &at would be an allocation for each packet
		p.local.Store(&here)
		if old != nil {
			p.noGSO.Store(false) // another way, which may take what the last did not
		}
	}
	if h.Kind == Segments && h.Conv == p.conv.Load() {
		p.room.Store(int32(h.Window))
	}
	una := p.una.Load()
	p.heardOf(h)
	if p.una.Load() != una {
		p.acked.Store(now)
	}
}

// heardOf takes note of the data in a packet of the peer, and of what it says has
// arrived there, however old it is.
func (p *Peer) heardOf(h Packet) {
	if h.Kind != Segments || h.Conv != p.conv.Load() {
		return
	}
	if h.Push && after(h.Next, p.came.Load()) {
		p.came.Store(h.Next)
	}
	if after(h.Una, p.una.Load()) {
		p.una.Store(h.Una)
	}
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
	if h.Conv == p.conv.Load() && after(h.Una, p.told.Load()) {
		p.told.Store(h.Una)
	}
}

// push takes note of data to the peer.
func (p *Peer) push(h Packet) {
	if p.conv.Load() != h.Conv || !p.pushed.Load() {
		p.conv.Store(h.Conv)
		p.una.Store(0) // sequence numbers of a conversation start at 0
		p.next.Store(0)
		p.came.Store(0)
		p.told.Store(0)
		p.room.Store(-1)
		p.pushed.Store(true)
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
