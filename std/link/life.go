package link

import "time"

// maxProbeGap is the longest time between two probes of kcp-go for a window that is
// shut (IKCP_PROBE_LIMIT). Probes and their answers are all that two ends exchange whose
// windows are both shut.
const maxProbeGap = 120 * time.Second

// OwesUs tells whether the peer has something to acknowledge: it was sent, and the rate
// limit does not hold it back here.
func (p *Peer) OwesUs() bool { return p.InFlight() > 0 && p.paced.Load() == 0 }

// Lifeless is how long ago the peer gave its last sign of life: it acknowledged
// something new, which a recording played again does not. A peer without room has
// nothing to acknowledge: any packet of it counts, and maxProbeGap is taken off.
func (p *Peer) Lifeless() time.Duration {
	if p.room.Load() == 0 {
		return since(p.heard.Load()) - maxProbeGap
	}
	return since(p.acked.Load())
}
