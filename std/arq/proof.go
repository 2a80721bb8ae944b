package arq

import (
	"slices"
	"time"
)

// proof is what shows that the peer hears us: it returns the clock of a segment that we
// have sent. It may be somebody else, who plays back what he has recorded under any
// address; he knows none of our clocks, which begin anywhere.
type proof struct {
	given   bool
	clocks  []uint32      // of the last segments of data, the latest last
	due     bool          // something is to be sent that makes the peer return one
	askedAt time.Duration // that was sent last
}

// mostClocks is how many clocks are kept.
const mostClocks = 32

// sent takes note of the clock of a segment of data.
func (p *proof) sent(clock uint32) {
	if p.given {
		return
	}
	if len(p.clocks) == mostClocks {
		p.clocks = slices.Delete(p.clocks, 0, 1)
	}
	p.clocks = append(p.clocks, clock)
}

// check looks at an acknowledgement. It may come after the una that tells of the same
// segment, and so it counts for itself.
func (p *proof) check(clock uint32) (first bool) {
	if p.given || !slices.Contains(p.clocks, clock) {
		return false
	}
	*p = proof{given: true}
	return true
}

// Vouch is for whoever knows by other means that the peer hears us. A link sees each
// acknowledgement first, and may keep one back that tells of nothing new.
func (e *Engine) Vouch() {
	if !e.proof.given {
		e.proof = proof{given: true}
		e.rcv.hears()
	}
}

// seekProof is called when something of the peer's comes. If it waits for its window to
// open, which the proof does, and if what it has acknowledged told no clock, because that
// packet was lost, a segment that it has is sent to it once more, without its data: it
// acknowledges that and keeps nothing of it.
func (e *Engine) seekProof(now time.Duration) {
	if e.proof.given || e.rcv.next < firstWindow/2 || e.snd.outstanding > 0 || e.snd.una == 0 {
		return
	}
	if now-e.proof.askedAt >= 2*e.rtt.smooth {
		e.proof.askedAt, e.proof.due = now, true
	}
}

// askProof sends it.
func (e *Engine) askProof(now time.Duration, emit func([]byte)) {
	e.proof.due = false
	clock := e.snd.clock(&flight{}, now)
	e.proof.sent(clock)
	e.put(&segment{cmd: cmdPush, sn: e.snd.una - 1, ts: clock}, emit)
}
