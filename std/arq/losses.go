package arq

import (
	"math"
	"slices"
	"time"
)

// losses tells the link's own loss from what we cause. A link's own is there also while
// we send less than it carries.
type losses struct {
	ok, lost [phases]float64 // packets, of the last two seconds or so
	warm     bool            // the losses of the start, which overfills queues, are forgotten
	from     uint64          // transmissions before it do not count
	own      float64         // the share of packets that the link loses by itself
	all      float64         // the share that is lost
	start    [4]float64      // all, in the last rounds of the start
}

// note takes the fate of a transmission in.
func (l *losses) note(p phase, tx uint64, arrived bool) {
	switch {
	case tx < l.from:
	case arrived:
		l.ok[p]++
	default:
		l.lost[p]++
	}
}

// mistaken takes back that a transmission was lost.
func (l *losses) mistaken(p phase, tx uint64) {
	if tx >= l.from && l.lost[p] >= 1 {
		l.lost[p]--
		l.ok[p]++
	}
}

// memory is how long packets count.
const memory = 2 * time.Second

// round makes what is older count less, and the estimates anew.
func (l *losses) round(took time.Duration, p phase) {
	ok, lost := 0.0, 0.0
	for i := range l.ok {
		if l.ok[i]+l.lost[i] > 500 {
			keep := 1 - min(0.5, float64(took)/float64(memory))
			l.ok[i] *= keep
			l.lost[i] *= keep
		}
		ok += l.ok[i]
		lost += l.lost[i]
	}
	l.all = share(ok, lost, 50)
	if p == starting {
		copy(l.start[1:], l.start[:])
		l.start[0] = min(l.all, mostLoss)
		if l.start[3] == 0 { // until now there was too little to tell
			l.start[3] = l.start[0]
		}
	}
	if !l.warm {
		// A start that overfills the link sees that within a round trip, four rounds: what
		// was lost before is the link's own.
		l.own = slices.Min(l.start[:])
		return
	}
	l.own = min(share(l.ok[draining], l.lost[draining], 20), l.all, mostLoss)
}

// ours is the share that is lost for what we do: what goes beyond the link's own loss by
// more than twice the deviation that this is known with.
func (l *losses) ours() float64 {
	n := l.ok[draining] + l.lost[draining]
	return l.all - l.own - 2*math.Sqrt(l.own*(1-l.own)/max(n, 20))
}

// share is the lost part of at least so many packets.
func share(ok, lost, least float64) float64 {
	if ok+lost <= least {
		return 0
	}
	return lost / (ok + lost)
}

// warmUp forgets the losses of the start, when it is over.
func (l *losses) warmUp(next uint64) {
	if !l.warm {
		l.forget(next)
		l.warm = true
	}
}

// forget lets only the estimate stand, for what is sent from now on.
func (l *losses) forget(next uint64) {
	l.from = next
	l.ok, l.lost = [phases]float64{}, [phases]float64{}
	for _, p := range []phase{starting, draining} {
		l.ok[p], l.lost[p] = 200*(1-l.own), 200*l.own
	}
}
