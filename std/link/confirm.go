package link

import (
	"container/list"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// confirmation is whether the client of a conversation is where it says: it has to return a
// time that only somebody can know who has received our packets. A dialled link needs none
// of it, and leaves it empty. The channel is set before the peer is shared. The reader
// closes it once, and sets done before. The place and the time belong to Conversations,
// whose lock guards them.
type confirmation struct {
	confirmed chan struct{} // closed when the peer is confirmed; nil at a dialled link
	done      atomic.Bool

	place *list.Element // among those that are not confirmed; nil: no longer there
	since time.Duration // when the conversation began, by std/clock
}

// Confirmed is closed when the peer has acknowledged something that this conversation
// sent, which shows that it is where it says. It is nil at a dialled link.
func (p *Peer) Confirmed() <-chan struct{} { return p.confirmation.confirmed }

// isOpen tells whether the peer has yet to be confirmed.
func (c *confirmation) isOpen() bool { return c.confirmed != nil && !c.done.Load() }

// isProof tells whether a packet holds an acknowledgement that nobody can send who has not
// heard us: it returns the stamp of data of this conversation.
func (p *Peer) isProof(h *Packet) bool {
	return h.Acked && p.ledger.isOurs(h.AckStamp)
}

// confirm confirms the peer if a packet proves that it is where it says.
func (p *Peer) confirm(h *Packet) {
	if !p.isProof(h) {
		return
	}
	others, ok := p.table.conversations.confirm(p)
	for _, o := range others {
		o.table.evict(o)
	}
	if ok {
		p.confirmation.done.Store(true)
		close(p.confirmation.confirmed)
	}
}

// mayAck tells whether to believe what a packet acknowledges. There are two reasons not to:
//
//   - The peer is not confirmed, and the packet proves nothing. It may be recorded. If KCP
//     saw its una, and the acknowledgement before it was lost, KCP would never send again
//     what the peer has to acknowledge to be confirmed.
//   - The packet does not show which way it went. If we have sent it ourselves, its una says
//     what has come here, and KCP would never send again what is missing there.
func (p *Peer) mayAck(h *Packet) bool {
	if p.confirmation.isOpen() {
		return p.isProof(h)
	}
	return h.Push || h.Acked
}

// withholdAcks removes from a packet, in place, everything that it acknowledges beyond una.
func withholdAcks(packet []byte, una uint32) {
	for b := packet; len(b) >= segHeader; b = b[segHeader+binary.LittleEndian.Uint32(b[offsetLen:]):] {
		if after(binary.LittleEndian.Uint32(b[offsetUna:]), una) {
			binary.LittleEndian.PutUint32(b[offsetUna:], una)
		}
		if b[offsetCmd] == cmdAck {
			b[offsetCmd] = cmdWindow
		}
	}
}
