package arq

import (
	"slices"
	"time"
)

// proof shows that the peer hears us: the peer returns the clock value of a segment that we
// sent. An attacker who replays a recording under some address knows none of our clock
// values, because they start at random.
type proof struct {
	given   bool
	clocks  []uint32      // of the most recent data segments, the latest last
	due     bool          // a segment must be sent that makes the peer return a clock value
	askedAt time.Duration // when that was last sent
}

// mostClocks is how many clock values are kept.
const mostClocks = 32

// sent records the clock value of a data segment.
func (p *proof) sent(clock uint32) {
	if p.given {
		return
	}
	if len(p.clocks) == mostClocks {
		p.clocks = slices.Delete(p.clocks, 0, 1)
	}
	p.clocks = append(p.clocks, clock)
}

// check looks at an acknowledgement. It may arrive after the una that covers the same
// segment, so it is checked independently of una.
func (p *proof) check(clock uint32) (first bool) {
	if p.given || !slices.Contains(p.clocks, clock) {
		return false
	}
	*p = proof{given: true}
	return true
}

// Vouch is for a caller that knows by other means that the peer hears us. A link sees each
// acknowledgement first, and may hold back one that reports nothing new.
func (e *Engine) Vouch() {
	if !e.proof.given {
		e.proof = proof{given: true}
		e.rcv.hears()
	}
}

// seekProof is called when something arrives from the peer. If the peer is waiting for its
// window to open, which requires the proof, and no acknowledgement has returned a clock
// value because that packet was lost, a segment that the peer already has is sent again,
// without its data. The peer acknowledges it and keeps nothing of it.
func (e *Engine) seekProof(now time.Duration) {
	if e.proof.given || e.rcv.next < firstWindow/2 || e.snd.outstanding > 0 || e.snd.una == 0 {
		return
	}
	if now-e.proof.askedAt >= 2*e.rtt.smooth {
		e.proof.askedAt, e.proof.due = now, true
	}
}

// askProof sends that segment.
func (e *Engine) askProof(now time.Duration, out *Batch) {
	e.proof.due = false
	clock := e.snd.clock(&flight{}, now)
	e.proof.sent(clock)
	e.put(&segment{cmd: cmdPush, sn: e.snd.una - 1, ts: clock}, out)
}
