package link

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxIdlePeers bounds the peers kept for which nobody called Forget: they
// passed the seal, but no session came of it.
const (
	maxIdlePeers = 4096
	peerIdle     = time.Minute
	peerSweep    = time.Second // walking a table of busy peers for each new one would cost too much
)

// peers is the table of a link's peers. A dialled link has exactly one.
type peers struct {
	only  *Peer
	limit int // bytes per second, 0 is none
	stop  <-chan struct{}

	mu    sync.Mutex
	table map[netip.AddrPort]*Peer
	swept time.Time
}

func newPeers(only netip.AddrPort, limit int, stop <-chan struct{}) *peers {
	ps := &peers{limit: limit, stop: stop}
	if only.IsValid() {
		ps.only = ps.newPeer(only)
	} else {
		ps.table = make(map[netip.AddrPort]*Peer)
	}
	return ps
}

func (ps *peers) newPeer(addr netip.AddrPort) *Peer {
	p := &Peer{addr: addr, text: addr.String(), scope: scopeOf(addr.Addr()), stop: ps.stop}
	p.room.Store(-1)
	if ps.limit > 0 {
		// The burst is what kcp-go's own limiter grants: 64 full datagrams.
		p.limit = rate.NewLimiter(rate.Limit(ps.limit), 64*MaxDatagram)
	}
	return p
}

// admits is false where a dialled link hears another address than its peer's.
func (ps *peers) admits(from netip.AddrPort) bool {
	return ps.only == nil || ps.only.addr == from
}

// get returns the peer at an address, a new one where there is none.
func (ps *peers) get(from netip.AddrPort) *Peer {
	if ps.only != nil {
		return ps.only
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.table[from]; p != nil {
		return p
	}
	if now := time.Now(); len(ps.table) >= maxIdlePeers && now.Sub(ps.swept) >= peerSweep {
		ps.swept = now
		ps.sweep(now.Add(-peerIdle))
	}
	p := ps.newPeer(from)
	ps.table[from] = p
	return p
}

// hold keeps the peer of a session that begins until as many calls of forget. It
// puts a peer back that was dropped meanwhile, with the end of the session before
// at this address for instance: kcp-go has given this one to the session.
func (ps *peers) hold(p *Peer) {
	if ps.only != nil {
		return
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.held++
	if other := ps.table[p.addr]; other != nil && other != p {
		other.gone.Store(true)
	}
	p.gone.Store(false)
	ps.table[p.addr] = p
}

// sweep drops the peers not heard since then that no session has.
func (ps *peers) sweep(then time.Time) {
	for addr, p := range ps.table {
		if p.held == 0 && p.Heard().Before(then) {
			p.gone.Store(true)
			delete(ps.table, addr)
		}
	}
}

func (ps *peers) forget(p *Peer) {
	if ps.only != nil {
		return
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.held > 0 {
		p.held--
	}
	if p.held == 0 && ps.table[p.addr] == p {
		p.gone.Store(true)
		delete(ps.table, p.addr)
	}
}
