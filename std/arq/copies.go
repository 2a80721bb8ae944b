package arq

import "time"

// copies are second and third transmissions of urgent, small data: a segment of a flow so
// thin that its loss would be noticed only a round trip later, or a retransmission that
// holds up everything behind it. They are not themselves checked for loss. Each copy carries
// its own clock value, so that the acknowledgement shows whether the first transmission was
// lost.
type copies struct {
	waiting []copied // in the order in which they are due
	budget  int      // bytes that copies in bulk flows may still use
}

type copied struct {
	sn uint32
	tx uint64 // the transmission that it copies
	ts uint32 // its clock value on the wire
	at time.Duration
}

const (
	thinFlow  = 4 * mtu  // most bytes in flight in a thin flow
	mostThin  = 2        // copies of a segment in a thin flow
	worthCopy = 0.004    // loss rate above which a thin flow gets copies: what none in 500 leaves likely
	residual  = 0.0005   // the loss rate that may remain; one lost segment holds up many
	cheapLoss = 0.025    // below this loss rate, copying a retransmission costs little
	budgetOf  = 32       // copies may add 1/budgetOf to what is sent
	mostSaved = 16 * mtu // the most that the budget may accumulate
)

// The times from the first transmission to its copies. A single copy follows after a pause
// longer than most bursts of loss. If there are two, that is the task of the second, and the
// first makes up sooner for a single loss.
const (
	onlyCopy   = 5 * time.Millisecond
	firstCopy  = 2 * time.Millisecond
	secondCopy = 10 * time.Millisecond
)

// wanted is how many copies a transmission should have. A bulk flow may spend only a small
// fraction of its bytes on copies: they use up part of the pace, and on a very lossy link
// they would take half of it.
func (c *copies) wanted(f *flight, thin bool, m *misses) (n int) {
	switch {
	case f.sends == 1 && thin:
		loss := m.most()
		for left := loss; loss > worthCopy && left > residual && n < mostThin; left *= loss {
			n++
		}
		return n
	case f.sends == 1:
		c.budget = min(c.budget+f.size/budgetOf, mostSaved)
		return 0
	case f.sends == 2 && m.share() >= cheapLoss && !thin:
		return 0
	case thin:
		return 1
	}
	n = min(f.sends-1, 2, c.budget/f.size)
	c.budget -= n * f.size
	return n
}

// add plans n copies of what is sent now.
func (c *copies) add(sn uint32, f *flight, now time.Duration, n int) {
	if n == 1 {
		c.plan(sn, f, now, onlyCopy)
	} else if n > 1 {
		c.plan(sn, f, now, firstCopy)
		c.plan(sn, f, now, secondCopy)
	}
}

func (c *copies) plan(sn uint32, f *flight, now, later time.Duration) {
	at := now + later
	k := len(c.waiting)
	for k > 0 && c.waiting[k-1].at > at {
		k--
	}
	c.waiting = append(c.waiting, copied{})
	copy(c.waiting[k+1:], c.waiting[k:])
	c.waiting[k] = copied{sn, f.tx, f.ts + uint32(later/time.Millisecond), at}
}

// isCopy tells whether a clock value belongs to a copy of the transmission.
func isCopy(f *flight, ts uint32) bool {
	return after(ts, f.ts) && ts-f.ts <= uint32(secondCopy/time.Millisecond)
}

// due removes and returns the next copy that is due and still useful.
func (c *copies) due(s *sender, now time.Duration) (sn uint32, f *flight, ts uint32, ok bool) {
	for len(c.waiting) > 0 && c.waiting[0].at <= now {
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		if f = s.find(next.sn); f != nil && f.state == inFlight && f.tx == next.tx {
			return next.sn, f, next.ts, true
		}
	}
	if len(c.waiting) == 0 {
		c.waiting = nil
	}
	return 0, nil, 0, false
}
