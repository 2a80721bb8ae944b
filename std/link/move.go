package link

import (
	"net/netip"

	"kcptun/std/carrier"
)

// The address of a client changes when its router forgets it, or it goes from one network
// to another. Its conversation stays, and what is sent to it goes to the new address, from
// the first packet on that only the client can have sent now.

// elsewhere is the conversation that a packet is of which comes from an address where none
// of this number lives: one whose other end has moved there, or nil.
func (t *intake) elsewhere(h Packet, from netip.AddrPort, at netip.Addr) *Peer {
	if t.opt.Settled {
		return nil
	}
	p := t.opt.Conversations.alive(h.Conv)
	if p == nil {
		p = t.opt.Conversations.proven(h)
	}
	if p == nil || p.table != t.peers || !p.canBe(h) || !p.isFresh(h) {
		return nil
	}
	was := p.addr()
	if !t.peers.move(p, carrier.NewWay(from).From(at)) {
		return nil
	}
	t.opt.Stats.Moved.Add(1)
	if times, due := t.moves.Due(); due {
		t.opt.Log.Info("a client goes on from another address", "conv", h.Conv, "from", was, "to", from, "times", times)
	}
	return p
}

// isFresh tells whether a packet cannot be one that is played again: it holds data that was
// never heard, or that was sent later than all that was, or acknowledges what nothing did
// before. A client whose window is full has only the second to offer: it sends again what
// has come already, with the time at which it does so.
//
// What we have sent ourselves may be played, too: nothing in a packet says which way it
// went, but its times do. Data has the time of its sender, and an acknowledgement that of
// whom it is for. So una alone, as in a packet that only tells a window, shows nothing.
func (p *Peer) isFresh(h Packet) bool {
	if (p.isNew(h) || p.isLater(h)) && !p.isOurs(h.Stamp) {
		return true
	}
	return p.isProof(h) && (after(h.Una, p.una.Load()) || after(h.Ack+1, p.picked.Load()))
}

// isLater tells whether a packet holds data that was sent later than all that was heard.
func (p *Peer) isLater(h Packet) bool {
	return h.Push && p.came.Load() != 0 && after(h.Stamp, p.stamp.Load()) && !after(h.Next, p.told.Load()+farthest)
}

// isNew tells whether a packet holds data beyond all that was heard, and within what a peer
// may send.
func (p *Peer) isNew(h Packet) bool {
	return h.Push && after(h.Next, p.came.Load()) && !after(h.Next, p.told.Load()+farthest)
}

// move takes note that a peer lives elsewhere. It is false where it lives no more, or where
// others live there whose lane is another: what comes from there goes through one lane, and
// they were there first.
func (ps *peers) move(p *Peer, way *carrier.Way) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.gone.Load() || p.lane != nil && ps.living[way.Addr] > 0 && ps.laneOf(way.Addr, p.lane) != p.lane {
		return false
	}
	ps.unlist(p)
	p.way.Store(way)
	ps.list(p)
	return true
}

// list puts a peer into the table, by its address. What comes from there has to go to the
// lane where its session is.
func (ps *peers) list(p *Peer) {
	id := p.identity()
	if ps.table[id] == nil {
		ps.living[id.addr]++
	}
	ps.table[id], ps.latest[id.addr] = p, p
	if p.lane == nil {
		return
	}
	if p.lane.byHash(id.addr) == p.lane {
		delete(ps.routes, id.addr)
	} else {
		if ps.routes == nil {
			ps.routes = make(map[netip.AddrPort]*lane)
		}
		ps.routes[id.addr] = p.lane
	}
	ps.routed.Store(int32(len(ps.routes)))
}

// unlist takes a peer out of the table.
func (ps *peers) unlist(p *Peer) {
	id := p.identity()
	delete(ps.table, id)
	if ps.latest[id.addr] == p {
		delete(ps.latest, id.addr)
	}
	if ps.living[id.addr]--; ps.living[id.addr] == 0 {
		delete(ps.living, id.addr)
		delete(ps.routes, id.addr)
		ps.routed.Store(int32(len(ps.routes)))
	}
}

// laneOf is Conn.laneOf, with the table's lock held; l is any lane of that link.
func (ps *peers) laneOf(from netip.AddrPort, l *lane) *lane {
	if routed := ps.routes[from]; routed != nil {
		return routed
	}
	return l.byHash(from)
}

// route is the lane of an address where a peer lives that has moved there, or nil.
func (ps *peers) route(from netip.AddrPort) *lane {
	if ps.routed.Load() == 0 {
		return nil
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.routes[from]
}
