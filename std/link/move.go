package link

import (
	"net/netip"
	"time"

	"kcptun/std/carrier"
)

// The address of a client changes when its router forgets the old one, or when the client
// goes from one network to another. Its conversation goes on. Packets to it go to the new
// address from the first packet on that only the client can have sent now.

// beginOrMove handles a packet of a conversation that this lane does not know at its address:
// it begins there, has moved there, or lives there in another lane.
func (t *intake) beginOrMove(h *Packet, in *carrier.Inbound) (*Peer, verdict) {
	if p := t.resident(h, in); p != nil {
		return p, isKnown
	}
	if h.Begins {
		return t.peers.begin(identity{in.From, h.Conv}, t.lane, t.now)
	}
	return t.findMoved(h, in), isKnown
}

// findMoved returns the conversation of a packet from an address where no conversation of
// this number lives. If the packet proves that the other end has moved there, the
// conversation moves too. findMoved returns nil if there is none.
func (t *intake) findMoved(h *Packet, in *carrier.Inbound) *Peer {
	if t.opt.Settled {
		return nil
	}
	p := t.opt.Conversations.alive(h.Conv)
	if p == nil {
		p = t.opt.Conversations.unconfirmedOf(h)
	}
	if p == nil || !p.mayComeTo(t.Conn) || !p.possible(h, t.now) || !p.isFresh(h, t.now) {
		return nil
	}
	was, from := p.addr(), in.From
	if !p.table.move(p, p.way.Load().To(from).From(in.At)) || !p.lodge(t.through(in), from) {
		return nil
	}
	p.probation.begin(was, from, p.ledger.sndBegun.Load(), p.ledger.sndStamp.Load(), t.now)
	p.sizing.restart()
	t.opt.Stats.Moved.Add(1)
	if times, due := t.moves.Due(); due {
		t.opt.Log.Info("a client goes on from another address", "conv", h.Conv, "from", was, "to", from, "times", times)
	}
	return p
}

// isFresh tells whether a packet cannot be a replay: it holds data that was never received,
// or that was sent later than all that was, or it acknowledges something new. A client
// whose window is full can offer only the second: it retransmits what has arrived already,
// with the current time.
//
// The packet must be possible, so that it is not one that we have sent ourselves. Still una
// alone, as in a packet that only reports a window, shows nothing.
func (p *Peer) isFresh(h *Packet, now time.Duration) bool {
	l := &p.ledger
	return l.isNew(h) || l.isLater(h, now) || h.Acked && (after(h.Una, l.sndUna.Load()) || l.isSacked(h))
}

// move records that a peer lives at another address now. It is false if the peer is gone, or
// not in the table yet, or if others live there whose lane is another: all packets from an
// address go through one lane, and they were there first.
func (ps *peers) move(p *Peer, way *carrier.Way) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	home := p.life.lane
	if p.life.gone.Load() || !ps.lists(p) || home != nil && ps.living[way.Addr] > 0 && ps.laneOf(way.Addr, home) != home {
		return false
	}
	ps.unlist(p)
	p.way.Store(way)
	ps.list(p)
	return true
}

// list puts a peer into the table, by its address, and routes packets from there to the
// lane of its session.
func (ps *peers) list(p *Peer) {
	id, home := p.identity(), p.life.lane
	if ps.table[id] == nil {
		ps.living[id.addr]++
	}
	ps.table[id], ps.latest[id.addr] = p, p
	if home == nil {
		return
	}
	if home.byHash(id.addr) == home {
		delete(ps.routes, id.addr)
	} else {
		if ps.routes == nil {
			ps.routes = make(map[netip.AddrPort]*lane)
		}
		ps.routes[id.addr] = home
	}
	ps.routed.Store(int32(len(ps.routes)))
}

// lists tells whether a peer is in the table. One that begins is known to Conversations
// first, where the reader of another lane can find it.
func (ps *peers) lists(p *Peer) bool { return ps.table[p.identity()] == p }

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

// route returns the lane of an address that a peer has moved to, or nil.
func (ps *peers) route(from netip.AddrPort) *lane {
	if ps.routed.Load() == 0 {
		return nil
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.routes[from]
}
