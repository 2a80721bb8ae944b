package link

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/carrier"
)

// peers is the table of a link's peers. A dialled link has exactly one.
type peers struct {
	only          *Peer
	limit         int // bytes per second and peer; 0 is no limit
	most          int // bytes in a datagram, see Options.MTU
	stop          <-chan struct{}
	seal          *sealing // of each peer
	conversations *Conversations

	mu     sync.Mutex
	table  map[identity]*Peer
	latest map[netip.AddrPort]*Peer // the last one heard from each address: parity goes to it
	living map[netip.AddrPort]int   // how many live at an address, all in one lane
	routes map[netip.AddrPort]*lane // addresses that peers have moved to, where the hash names another lane
	routed atomic.Int32             // the number of routes
	serial atomic.Uint64            // of the last newcomer, see there
}

func newPeers(only netip.AddrPort, opt Options, stop <-chan struct{}) *peers {
	ps := &peers{limit: opt.RateLimit, most: opt.MTU, stop: stop, seal: newSealing(opt.Sealer), conversations: opt.Conversations}
	if only.IsValid() {
		ps.only = ps.newPeer(only)
		ps.only.text = only.String()
		ps.only.shift.Store(rand.Uint32())
		ps.only.life.answered = make(chan struct{})
		return ps
	}
	ps.table = make(map[identity]*Peer)
	ps.latest = make(map[netip.AddrPort]*Peer)
	ps.living = make(map[netip.AddrPort]int)
	return ps
}

func (ps *peers) newPeer(addr netip.AddrPort) *Peer {
	p := &Peer{table: ps, seal: ps.seal}
	p.way.Store(carrier.NewWay(addr))
	p.ledger.init()
	p.sizing.init(ps.most)
	if ps.limit > 0 {
		p.pacing.pacer = newRateLimit(ps.limit)
	}
	return p
}

// newcomer makes the peer of a conversation that the other end begins, with its session in
// a lane. kcp-go keys its sessions by the text of an address, so the text is different for
// each conversation: another of the same number may begin at an address that one has left.
func (ps *peers) newcomer(id identity, in *lane) *Peer {
	p := ps.newPeer(id.addr)
	p.text = fmt.Sprintf("%v#%08x.%d", id.addr, id.conv, ps.serial.Add(1))
	p.life.lane = in
	p.begin(id.conv)
	p.confirmation.confirmed = make(chan struct{})
	return p
}

// admits tells whether a link accepts datagrams from an address. A dialled link accepts only
// its peer's.
func (ps *peers) admits(from netip.AddrPort) bool {
	return ps.only == nil || ps.only.addr() == from
}

// knows tells whether there is a conversation with an address, and it has sent something.
func (ps *peers) knows(from netip.AddrPort) bool {
	if ps.only != nil {
		return ps.only.ledger.heard.Load() != notYet
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.latest[from] != nil
}

// find returns the peer that a packet comes from, or nil if there is none.
func (ps *peers) find(from netip.AddrPort, h *Packet) *Peer {
	if ps.only != nil {
		if ps.only.owns(h) {
			return ps.only
		}
		return nil
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if h.Kind == Parity {
		return ps.latest[from]
	}
	p := ps.table[identity{from, h.Conv}]
	if p != nil && ps.latest[from] != p {
		ps.latest[from] = p
	}
	return p
}

// begin makes a peer for a conversation that begins, and puts it into the table, if the
// verdict allows. Its session will be in the given lane.
func (ps *peers) begin(id identity, in *lane, now time.Duration) (*Peer, verdict) {
	p, evicted, v := ps.conversations.begin(ps, id, in, now)
	if v != begins {
		return nil, v
	}
	if evicted != nil {
		evicted.table.evict(evicted)
	}
	if !ps.enter(p) {
		return nil, isKnown
	}
	return p, v
}

// enter puts a peer that begins into the table. It is false if the peer has ended already,
// because another of the same number was confirmed in the meantime.
func (ps *peers) enter(p *Peer) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.life.gone.Load() {
		return false
	}
	ps.list(p)
	return true
}

// hold ties a peer to the session that begins with it, which end ends. It is false if the
// peer is gone, or has a session already.
func (ps *peers) hold(p *Peer, end func()) bool {
	if ps.only != nil {
		return true
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.life.gone.Load() || p.life.held {
		return false
	}
	p.life.held, p.life.end = true, end
	return true
}

// forget removes a peer whose session ends.
func (ps *peers) forget(p *Peer) {
	if ps.only == nil && ps.remove(p) {
		ps.conversations.forget(p)
	}
}

// evict removes a peer and ends its session.
func (ps *peers) evict(p *Peer) {
	if ps.remove(p) && p.life.end != nil {
		p.life.end()
	}
}

// remove takes a peer out of the table, and tells whether it was there.
func (ps *peers) remove(p *Peer) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.life.gone.Swap(true) {
		return false
	}
	if ps.lists(p) {
		ps.unlist(p)
	}
	p.leave()
	return true
}
