package link

import (
	"net"
	"net/netip"
	"sync/atomic"

	"kcptun/std/carrier"
)

// Peer is the other end of one conversation, and the net.Addr that kcp-go is given
// for it. Two conversations from one address are two peers, which know nothing of each
// other. It is also where the link keeps what it knows of the conversation, in one part
// for each concern. Each part says what guards it. Two goroutines meet here for every
// packet: the reader, which is the one goroutine that reads the peer's lane, and the
// writer. There is one writer at a time, because an engine sends the packets of a
// session one by one.
type Peer struct {
	endpoint          // who the peer is, and the way to it
	table    *peers   // the table of its link; never changes
	seal     *sealing // of what is sent to it; never changes

	host atomic.Pointer[lodging] // the sibling through which it is reached; nil: its own link is

	ledger       ledger       // what was sent, acknowledged and received
	confirmation confirmation // whether the peer is where it says
	life         life         // its lane and its session, and whether it is over
	probation    probation    // what may be sent to a new address of it
	hooks        hooks        // who is told of its packets
	pacing       pacing       // when datagrams leave
	sizing       sizing       // how large they are
	repeat       repeat       // what is sent again while the peer is silent
	filling      filling      // the batch that its next datagram goes into
	outgoing     outgoing     // parity for what is sent
	incoming     incoming     // restores what was lost
}

// endpoint is who a peer is, and the way to it. The text is set before the peer is shared,
// and so is the conversation at a listening link. At a dialled link the writer sets the
// conversation when it sends the first data: first conv, then begun. The shift is set there
// before the peer is shared, and by the writer of a listening link before it sends the first
// data. The way is replaced as a whole, by compare-and-swap or under the lock of the table.
type endpoint struct {
	way   atomic.Pointer[carrier.Way] // where packets to the peer go
	text  string                      // see String; formatting it for every packet would be slow
	shift atomic.Uint32               // added to the stamps on the wire, see drawShift
	conv  atomic.Uint32               // valid once begun is set, and constant from then on
	begun atomic.Bool
}

// Network is "udp", also for the imitation of TCP: kcp-go does not look.
func (e *endpoint) Network() string { return "udp" }

// String is the text by which kcp-go finds the session of a packet. At a listening link
// it is the address where the conversation began, its number, and how many had begun at the
// link.
func (e *endpoint) String() string { return e.text }

// Addr is the address of the peer.
func (e *endpoint) Addr() net.Addr { return net.UDPAddrFromAddrPort(e.addr()) }

func (e *endpoint) addr() netip.AddrPort { return e.way.Load().Addr }

// Conv is the number of the conversation, once it has begun.
func (e *endpoint) Conv() uint32 { return e.conv.Load() }

func (e *endpoint) identity() identity { return identity{e.addr(), e.conv.Load()} }

// begin sets the number of the conversation, unless it has one.
func (e *endpoint) begin(conv uint32) {
	if !e.begun.Load() {
		e.conv.Store(conv)
		e.begun.Store(true)
	}
}

// owns tells whether a packet belongs to this conversation. Parity, which names none, may
// belong to any.
func (e *endpoint) owns(h *Packet) bool {
	return e.begun.Load() && (h.Kind == Parity || h.Conv == e.conv.Load())
}

// sendFrom makes packets to the peer leave from another of our addresses. If local is
// invalid, the system chooses the address.
func (e *endpoint) sendFrom(local netip.Addr) {
	for {
		old := e.way.Load()
		if old.Local == local || e.way.CompareAndSwap(old, old.From(local)) {
			return
		}
	}
}
