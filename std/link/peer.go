package link

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"
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
	acked  atomic.Int64  // the same of the last that acknowledged something new
	pushed atomic.Bool   // next is set
	room   atomic.Int32  // segments that the peer has room for, by its last word; -1 before it
	paced  atomic.Int32  // packets that wait for the rate limit
	gone   atomic.Bool   // no longer in the table
	held   int           // sessions that have it; the table's lock guards it

	activity atomic.Uint64          // packets to and from it
	waker    atomic.Pointer[func()] // to be called at the next of them

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

// OnWake has f called once: before the next packet of the peer is handed on or the
// next packet to it is sent, or at the next Wake.
func (p *Peer) OnWake(f func()) { p.waker.Store(&f) }

// Wake calls what OnWake was given. It is to be called where a session that is
// asleep will have something to do.
func (p *Peer) Wake() {
	if p.waker.Load() == nil {
		return
	}
	if f := p.waker.Swap(nil); f != nil {
		(*f)()
	}
}
