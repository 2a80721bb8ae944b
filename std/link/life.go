package link

import (
	"sync/atomic"
	"time"
)

// life is the part that a peer has in its link, from its first packet to its end. The
// lock of the table guards held and end. The lane never changes, and end does not once the
// peer is gone. The flags are set once, and anybody
// may read them. The reader closes answered.
type life struct {
	lane *lane  // where its session is; nil if the link has no lanes
	held bool   // a session has it
	end  func() // ends that session

	gone      atomic.Bool           // no longer in the table
	failure   atomic.Pointer[error] // why we ended it; nil: we did not
	forgotten atomic.Bool           // the server does not know the conversation; at a dialled link
	answered  chan struct{}         // closed when the first packet came; nil at a listening link
}

// Answered is closed when a packet of the peer has passed every check. It is nil at a
// listening link, where the peer speaks first.
func (p *Peer) Answered() <-chan struct{} { return p.life.answered }

// IsForgotten tells whether the server has shown that it does not know the conversation.
func (p *Peer) IsForgotten() bool { return p.life.forgotten.Load() }

// maxProbeGap is the longest time between two of kcp-go's probes for a window that is
// closed (IKCP_PROBE_LIMIT). If the windows of both ends are closed, they exchange nothing
// but probes and answers.
const maxProbeGap = 120 * time.Second

// maxShut is how long a peer without room may acknowledge nothing. All answers to probes
// look alike, so that a recording of one works as well: it must not keep a dead session
// for ever.
const maxShut = time.Hour

// OwesUs tells whether the peer has something to acknowledge: segments are in flight that the
// rate limit does not hold back here.
func (p *Peer) OwesUs() bool {
	if p.pacing.pacer == nil {
		return p.InFlight() > 0
	}
	return after(p.ledger.sndLeft.Load(), p.ledger.sndUna.Load())
}

// IsHeld tells whether the rate limit holds back a datagram to the peer here, or new data.
func (p *Peer) IsHeld() bool { return p.pacing.waiting.Load() > 0 || p.pacing.entries.Load() > 0 }

// Lifeless is how long ago the peer gave its last sign of life, which is to acknowledge
// something new: a replayed recording does not. A peer without room has nothing to
// acknowledge. For maxShut any report of its window counts, and maxProbeGap is subtracted.
func (p *Peer) Lifeless() time.Duration {
	acked := since(p.ledger.acked.Load())
	if p.ledger.window() == 0 && acked < maxShut {
		return since(p.ledger.heard.Load()) - maxProbeGap
	}
	return acked
}
