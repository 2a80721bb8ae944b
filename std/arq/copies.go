package arq

import "time"

// copies are second and third transmissions of what is more urgent than large: a segment
// of a flow so thin that its loss would be noticed only a round trip later, and what was
// lost before and holds up all that follows. They follow the first
// after a pause that most losses are shorter than, and no loss of them is looked for. Each
// has a clock of its own, so that the acknowledgement tells whether the first was lost.
type copies struct {
	waiting []copied // in the order in which they are due
	budget  int      // bytes that copies of a flow that is not thin may take
}

type copied struct {
	sn uint32
	tx uint64 // the transmission that it is of
	ts uint32 // the clock in it
	at time.Duration
}

const (
	copyAfter = 5 * time.Millisecond // the first; the next as long after that
	thinFlow  = 4 * mtu              // bytes in flight of a thin flow at most
	mostThin  = 2                    // copies of a segment of a thin flow
	worthCopy = 0.003                // the share of what is lost from which on a thin flow has copies
	residual  = 0.0005               // the share of its segments that may still be lost: one holds up many
	cheapLoss = 0.025                // below it a copy of what is sent again costs little
	budgetOf  = 32                   // the part of what is sent that copies may add, inverse
	mostSaved = 16 * mtu             // of the budget
)

// wanted is how many copies a transmission shall have. A bulk flow may not spend more on
// them than a small part of what it sends: copies take their share of the pace, and where
// much is lost they would take half of it.
func (c *copies) wanted(f *flight, thin bool, loss float64) (n int) {
	switch {
	case f.sends == 1 && thin:
		for left := loss; loss > worthCopy && left > residual && n < mostThin; left *= loss {
			n++
		}
		return n
	case f.sends == 1:
		c.budget = min(c.budget+f.size/budgetOf, mostSaved)
		return 0
	case f.sends == 2 && loss >= cheapLoss && !thin:
		return 0
	case thin:
		return 1
	}
	n = min(f.sends-1, 2, c.budget/f.size)
	c.budget -= n * f.size
	return n
}

func (c *copies) add(sn uint32, f *flight, now time.Duration, n int) {
	for i := 1; i <= n; i++ {
		at := now + time.Duration(i)*copyAfter
		k := len(c.waiting)
		for k > 0 && c.waiting[k-1].at > at {
			k--
		}
		c.waiting = append(c.waiting, copied{})
		copy(c.waiting[k+1:], c.waiting[k:])
		c.waiting[k] = copied{sn, f.tx, f.ts + uint32(i)*uint32(copyAfter/time.Millisecond), at}
	}
}

// isCopy tells whether a clock is that of a copy of a transmission.
func isCopy(f *flight, ts uint32) bool {
	return after(ts, f.ts) && ts-f.ts <= mostThin*uint32(copyAfter/time.Millisecond)
}

// due takes the next copy that is due and still of use.
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
