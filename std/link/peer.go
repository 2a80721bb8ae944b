package link

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
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

// Peer is the other end of a link and the net.Addr that kcp-go is given for it.
// It stands for the peer rather than for its present address, with its text
// kept ready: kcp-go formats the address of every packet and keys its sessions
// by that text. It is also where the link keeps what it knows of the peer, the
// seam for rate control and for dead paths.
type Peer struct {
	addr  netip.AddrPort
	text  string
	scope uint32 // interface of a link-local address, else 0
	limit *rate.Limiter
	stop  <-chan struct{}

	conv   atomic.Uint32 // the conversation that the two counters below are of
	next   atomic.Uint32 // one above the highest sequence number sent
	una    atomic.Uint32 // all below it was acknowledged by the peer
	came   atomic.Uint32 // one above the highest sequence number received
	told   atomic.Uint32 // all below it was acknowledged to the peer
	heard  atomic.Int64  // unix nanoseconds of the last packet; 0 is never
	pushed atomic.Bool   // next is set
	room   atomic.Int32  // segments that the peer has room for, by its last word; -1 before it
	paced  atomic.Int32  // packets that wait for the rate limit
	gone   atomic.Bool   // no longer in the table
	held   int           // sessions that have it; the table's lock guards it

	activity atomic.Uint64 // packets to and from it
	asleep   hook          // for the next of them
	answered hook          // for when all that came is acknowledged
	quiet    hook          // for when all that was sent is acknowledged, too

	local atomic.Pointer[netip.Addr] // where the peer sends to; nil: any

	out   sync.Mutex
	open  *batch      // takes the next datagram; in the outbox's queue
	noGSO atomic.Bool // the way to it refuses segmentation

	outgoing outgoing
	incoming incoming
}

// Network is "udp", also for the imitation of TCP: kcp-go does not look.
func (p *Peer) Network() string { return "udp" }

// String is the address as host:port.
func (p *Peer) String() string { return p.text }

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

// hook is a function that is to be called once.
type hook struct{ f atomic.Pointer[func()] }

func (h *hook) set(f func()) { h.f.Store(&f) }

func (h *hook) isSet() bool { return h.f.Load() != nil }

func (h *hook) call() {
	if !h.isSet() {
		return
	}
	if f := h.f.Swap(nil); f != nil {
		(*f)()
	}
}

// OnActivity has f called once, before the next packet of the peer is handed on
// or at the next Rouse.
func (p *Peer) OnActivity(f func()) { p.asleep.set(f) }

// OnAnswer has f called once, at a packet to the peer by which all that came is
// acknowledged.
func (p *Peer) OnAnswer(f func()) { p.answered.set(f) }

// OnQuiet has f called once, when a packet of the peer was handed on by which all
// that was sent is acknowledged, and there is nothing to acknowledge.
func (p *Peer) OnQuiet(f func()) { p.quiet.set(f) }

// Rouse is to be called before something is sent to a peer that may be asleep.
func (p *Peer) Rouse() { p.asleep.call() }

// owes tells whether something came that is not acknowledged.
func (p *Peer) owes() bool { return after(p.came.Load(), p.told.Load()) }

// isQuiet tells whether nothing is left to do that OnQuiet waits for.
func (p *Peer) isQuiet() bool { return p.quiet.isSet() && p.InFlight() == 0 && !p.owes() }

// received takes note of a packet of the peer.
func (p *Peer) received(h Packet, now int64, at netip.Addr) {
	p.heard.Store(now)
	p.activity.Add(1)
	p.Rouse()
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
	p.heardOf(h)
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
	p.activity.Add(1)
	if h.Kind != Segments {
		return
	}
	if h.Push {
		p.Rouse() // it may have fallen asleep since this was written
		p.push(h)
	}
	if h.Conv == p.conv.Load() && after(h.Una, p.told.Load()) {
		p.told.Store(h.Una)
	}
	if !p.owes() {
		p.answered.call()
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

// pace waits until size more bytes are within the peer's rate limit. It is false
// when the link was closed meanwhile.
func (p *Peer) pace(size int) bool {
	if p.limit == nil {
		return true
	}
	r := p.limit.ReserveN(time.Now(), size)
	if !r.OK() {
		return true // larger than the burst: cannot be, see newPeer
	}
	wait := r.Delay()
	if wait == 0 {
		return true
	}
	p.paced.Add(1)
	defer p.paced.Add(-1)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.stop:
		return false
	}
}

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
