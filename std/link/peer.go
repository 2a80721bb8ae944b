package link

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/carrier"
)

// Peer is the other end of one conversation, and the net.Addr that kcp-go is given
// for it. Two conversations from one address are two peers, which know nothing of each
// other. Its text is kept ready: kcp-go formats the address of every packet and keys its
// sessions by that text. It is also where the link keeps what it knows of the
// conversation, the seam for rate control and for dead paths.
type Peer struct {
	way   atomic.Pointer[carrier.Way] // where what is sent to it goes
	text  string
	pacer pacer // nil: nothing waits
	stop  <-chan struct{}
	shift uint32 // of the stamps on the wire, see stampOrigin; 0 at a dialled link
	table *peers

	conv   atomic.Uint32 // valid once begun is set, and does not change then
	begun  atomic.Bool
	next   atomic.Uint32 // one above the highest sequence number sent
	una    atomic.Uint32 // all below it was acknowledged by the peer
	picked atomic.Uint32 // one above the highest that was acknowledged by itself
	came   atomic.Uint32 // one above the highest sequence number received
	stamp  atomic.Uint32 // the latest of KCP's times in the data that was received
	told   atomic.Uint32 // all below it was acknowledged to the peer
	heard  atomic.Int64  // when the last packet came, by std/clock; or never
	acked  atomic.Int64  // the same of the last that acknowledged something new
	room   atomic.Int32  // segments that the peer has room for, by its last word; -1 before it
	paced  atomic.Int32  // packets that wait for the rate limit
	gone   atomic.Bool   // no longer in the table

	firstStamp atomic.Uint32 // KCP's times in the data that was sent, as on the wire
	lastStamp  atomic.Uint32
	outage     atomic.Uint32 // what was sent before this time may have waited for the last outage to end
	resumed    atomic.Int64  // when that was, by std/clock; or unheard

	vouched   atomic.Uint32 // the first number that was sent when something was acknowledged
	forgotten atomic.Bool   // the server does not know the conversation; at a dialled link

	answered chan struct{} // closed when the first packet came; nil at a listening link

	lane *lane  // where its session is; nil where the link has no lanes
	held bool   // a session has it; the table's lock guards it
	end  func() // ends that session

	// None of this at a dialled link.
	confirmed   chan struct{} // closed when the conversation is confirmed
	isConfirmed atomic.Bool
	place       *list.Element // in Conversations, whose lock guards it
	since       time.Duration // when it began, by std/clock

	activity atomic.Uint64          // packets to and from it
	waker    atomic.Pointer[func()] // to be called at the next of them

	out  sync.Mutex
	open *batch // takes the next datagram; in the outbox's queue

	outgoing outgoing
	incoming incoming

	owner any // see Owner
}

// Network is "udp", also for the imitation of TCP: kcp-go does not look.
func (p *Peer) Network() string { return "udp" }

// String is the text by which kcp-go knows the conversation: at a listening link its
// number follows the address.
func (p *Peer) String() string { return p.text }

// Addr is the address of the peer.
func (p *Peer) Addr() net.Addr { return net.UDPAddrFromAddrPort(p.addr()) }

func (p *Peer) addr() netip.AddrPort { return p.way.Load().Addr }

// Conv is the number of the conversation, once it has begun.
func (p *Peer) Conv() uint32 { return p.conv.Load() }

// Owner is what SetOwner has set, for whoever reads the packets of the peer.
func (p *Peer) Owner() any { return p.owner }

// SetOwner keeps something with the peer. It is for the goroutine that reads.
func (p *Peer) SetOwner(o any) { p.owner = o }

// Confirmed is closed when the peer has acknowledged something that this conversation
// sent, so that it is where it says; nil at a dialled link.
func (p *Peer) Confirmed() <-chan struct{} { return p.confirmed }

// Answered is closed when a packet of the peer has passed every check; nil at a listening
// link, where the peer speaks first.
func (p *Peer) Answered() <-chan struct{} { return p.answered }

func (p *Peer) identity() identity { return identity{p.addr(), p.conv.Load()} }

// is tells whether a packet is of this conversation. Parity may be of any.
func (p *Peer) is(h Packet) bool {
	return p.begun.Load() && (h.Kind == Parity || h.Conv == p.conv.Load())
}

// heardAt has what is sent to the peer leave from another of our addresses; an invalid
// one leaves it to the system.
func (p *Peer) heardAt(local netip.Addr) {
	for {
		old := p.way.Load()
		if old.Local == local || p.way.CompareAndSwap(old, old.From(local)) {
			return
		}
	}
}

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
