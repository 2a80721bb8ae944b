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
