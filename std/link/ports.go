package link

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"kcptun/std/carrier"
)

// A server that listens on several ports has a link for each, and these are siblings. A
// client may continue its conversation at another port. Its session stays in the lane, and
// its peer in the table, of the link where they began. The sibling passes on what comes
// from the client to that lane, and sends to it, because a client accepts datagrams only
// from the address to which it sends.

// PortRange is the ports of a server, from Min to Max.
type PortRange struct{ Min, Max uint16 }

// other returns a random port of the range that is not this one, or this one if there is no
// other.
func (r PortRange) other(port uint16) uint16 {
	if r.Max <= r.Min {
		return port
	}
	n := r.Max - r.Min
	if port < r.Min || port > r.Max {
		return r.Min + uint16(rand.Uint32N(uint32(n)+1))
	}
	next := r.Min + uint16(rand.Uint32N(uint32(n)))
	if next >= port {
		next++
	}
	return next
}

// HasRange tells whether the server of a dialled link has several ports, as far as we know.
func (c *Conn) HasRange() bool { return c.opt.Range.Max > c.opt.Range.Min }

// lodging is a peer's stay at a sibling of its link.
type lodging struct {
	at   *Conn
	from netip.AddrPort // the peer's address there
}

// guests are the peers of other links that are reached through this one.
type guests struct {
	mu    sync.Mutex
	lanes map[netip.AddrPort][]*lane // of their own links, one for each guest from there
	count atomic.Int32               // of addresses
}

// laneOf returns the lane of the latest guest from an address; nil if nobody is a guest from
// there.
func (g *guests) laneOf(from netip.AddrPort) *lane {
	if g.count.Load() == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if there := g.lanes[from]; len(there) > 0 {
		return there[len(there)-1]
	}
	return nil
}

// add records the lane of a guest.
func (g *guests) add(from netip.AddrPort, to *lane) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lanes == nil {
		g.lanes = make(map[netip.AddrPort][]*lane)
	}
	g.lanes[from] = append(g.lanes[from], to)
	g.count.Store(int32(len(g.lanes)))
}

// remove ends the stay of a guest that has this lane.
func (g *guests) remove(from netip.AddrPort, to *lane) {
	g.mu.Lock()
	defer g.mu.Unlock()
	there := g.lanes[from]
	if i := slices.Index(there, to); i >= 0 {
		there = slices.Delete(there, i, i+1)
	}
	if g.lanes[from] = there; len(there) == 0 {
		delete(g.lanes, from)
	}
	g.count.Store(int32(len(g.lanes)))
}

// through is the link that has received a packet: this one, or a sibling that has passed it
// on.
func (t *intake) through(in *carrier.Inbound) *Conn {
	if c, ok := in.Through.(*Conn); ok {
		return c
	}
	return t.Conn
}

// reachedBy is the link through which a peer of this one is reached.
func (c *Conn) reachedBy(p *Peer) *Conn {
	if l := p.host.Load(); l != nil {
		return l.at
	}
	return c
}

// mayComeTo tells whether packets of a peer may come through a link: it is the peer's own,
// or both are siblings.
func (p *Peer) mayComeTo(c *Conn) bool {
	return p.table == c.peers || c.opt.Siblings && p.life.lane != nil && p.life.lane.opt.Siblings
}

// lodge records through which link a peer is reached from now on. It is false if the peer
// is gone.
func (p *Peer) lodge(c *Conn, from netip.AddrPort) bool {
	ps := p.table
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.leave()
	if p.life.gone.Load() {
		return false
	}
	if c.peers != ps {
		c.guests.add(from, p.life.lane)
		p.host.Store(&lodging{c, from})
	}
	return true
}

// leave ends a peer's stay at a sibling; the lock of its table is held.
func (p *Peer) leave() {
	if l := p.host.Swap(nil); l != nil {
		l.at.guests.remove(l.from, p.life.lane)
	}
}

// outboxOf returns the outbox for a peer: that of the link through which it is reached.
func (c *Conn) outboxOf(p *Peer) *outbox { return c.reachedBy(p).out }

// Move makes a dialled UDP link continue from another local port, and with anyPort also to
// another port of the server's range. A server of ours follows. Any other server loses the
// conversation.
func (c *Conn) Move(ctx context.Context, anyPort bool) error {
	m, ok := c.sock.(*carrier.Movable)
	if !ok {
		return errors.ErrUnsupported
	}
	c.peers.only.sizing.restart()
	if err := m.Move(ctx); err != nil || !anyPort {
		return err
	}
	c.peers.only.sendTo(c.opt.Range)
	return nil
}

// sendTo makes packets to the peer go to another port of the range.
func (e *endpoint) sendTo(r PortRange) {
	for {
		old := e.way.Load()
		to := netip.AddrPortFrom(old.Addr.Addr(), r.other(old.Addr.Port()))
		if to == old.Addr || e.way.CompareAndSwap(old, old.To(to)) {
			return
		}
	}
}

// resident returns the peer of a packet that lives where it has come from and to, and has its
// session in another lane: a guest from the same address draws all that comes from there to
// its own. resident returns nil if there is none. Such a peer has not moved.
func (t *intake) resident(h *Packet, in *carrier.Inbound) *Peer {
	if !t.opt.Siblings || in.Through == nil {
		return nil
	}
	p := t.opt.Conversations.at(identity{in.From, h.Conv})
	if p == nil || p.life.lane == nil || p.life.lane.reachedBy(p) != t.through(in) {
		return nil
	}
	return p
}

// passOn hands a packet that was opened here to the lane of its session. It is sealed
// again, because a lane takes datagrams.
func (t *intake) passOn(packet []byte, in *carrier.Inbound, to *lane) {
	if to == nil {
		return
	}
	one := *in
	one.Through = nil
	if c := t.through(in); to.Conn != c {
		one.Through = c
	}
	one.Data = t.opt.Sealer.Seal(nil, packet)
	one.Size = len(one.Data)
	to.offer(&one, t.now)
}
