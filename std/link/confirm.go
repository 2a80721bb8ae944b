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
// heard us: it returns the time at which data of this conversation was sent.
func (p *Peer) isProof(h Packet) bool {
	return h.Acked && p.isOurs(h.AckStamp)
}

// isOurs tells whether we may have sent data of this conversation at a time of KCP's. The
// times of the other end have another origin.
func (p *Peer) isOurs(stamp uint32) bool {
	l := &p.ledger
	first := l.sndFirstStamp.Load()
	return l.sndNext.Load() != 0 && stamp-first <= l.sndStamp.Load()-first
}

// confirm confirms the peer if a packet proves that it is where it says.
func (p *Peer) confirm(h Packet) {
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

// withholdAcks removes from a packet, in place, everything that it acknowledges. It is for
// packets of a peer that is not confirmed and that prove nothing. What they acknowledge may
// be recorded, and una proves nothing in any case. If KCP saw una, and the acknowledgement
// before it was lost, KCP would never send again what the peer has to acknowledge to be
// confirmed.
func withholdAcks(packet []byte) {
	for b := packet; len(b) >= segHeader; b = b[segHeader+binary.LittleEndian.Uint32(b[offsetLen:]):] {
		binary.LittleEndian.PutUint32(b[offsetUna:], 0)
		if b[offsetCmd] == cmdAck {
			b[offsetCmd] = cmdWindow
		}
	}
}
