package link

import "time"

// maxProbeGap is the longest time between two probes of kcp-go for a window that is
// shut (IKCP_PROBE_LIMIT). Probes and their answers are all that two ends exchange whose
// windows are both shut.
const maxProbeGap = 120 * time.Second

// maxShut is how long a peer without room may acknowledge nothing. The answers to probes are
// all alike, so that a recording of one is as good: it must not keep a dead session for good.
const maxShut = time.Hour

// OwesUs tells whether the peer has something to acknowledge: it was sent, and the rate
// limit does not hold it back here.
func (p *Peer) OwesUs() bool { return p.InFlight() > 0 && p.paced.Load() == 0 }

// Lifeless is how long ago the peer gave its last sign of life: it acknowledged
// something new, which a recording played again does not. A peer without room has
// nothing to acknowledge: for maxShut any packet of it counts, and maxProbeGap is taken off.
func (p *Peer) Lifeless() time.Duration {
	acked := since(p.acked.Load())
	if p.room.Load() == 0 && acked < maxShut {
		return since(p.heard.Load()) - maxProbeGap
	}
	return acked
}
