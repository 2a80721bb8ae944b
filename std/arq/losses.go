package arq

import (
	"math"
	"slices"
	"time"
)

// losses separates the link's own loss from the loss that we cause. The link's own loss
// remains even when we send less than the link carries.
type losses struct {
	ok, lost [phases]float64 // packets, over roughly the last two seconds
	warm     bool            // the losses of the start, which overfills queues, have been discarded
	from     uint64          // transmissions before this one do not count
	own      float64         // share of packets that the link itself loses
	all      float64         // share of packets that are lost
	start    [4]float64      // all, for each of the last rounds of the start
}

// note records whether a transmission arrived.
func (l *losses) note(p phase, tx uint64, arrived bool) {
	switch {
	case tx < l.from:
	case arrived:
		l.ok[p]++
	default:
		l.lost[p]++
	}
}

// mistaken reverts the loss of a transmission that arrived after all.
func (l *losses) mistaken(p phase, tx uint64) {
	if tx >= l.from && l.lost[p] >= 1 {
		l.lost[p]--
		l.ok[p]++
	}
}

// memory is how long packets count.
const memory = 2 * time.Second

// round lowers the weight of older packets and updates the estimates.
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
		if l.start[3] == 0 { // so far there were too few packets to tell
			l.start[3] = l.start[0]
		}
	}
	if !l.warm {
		// A start that overfills the link notices it within one round trip, which is four
		// rounds. Any loss before that is the link's own.
		l.own = slices.Min(l.start[:])
		return
	}
	l.own = min(share(l.ok[draining], l.lost[draining], 20), l.all, mostLoss)
}

// ours is the share of packets lost because of what we send: the loss in excess of the
// link's own by more than twice the standard deviation of that estimate.
func (l *losses) ours() float64 {
	n := l.ok[draining] + l.lost[draining]
	return l.all - l.own - 2*math.Sqrt(l.own*(1-l.own)/max(n, 20))
}

// share is the fraction of packets that were lost; 0 if there are too few to tell.
func share(ok, lost, least float64) float64 {
	if ok+lost <= least {
		return 0
	}
	return lost / (ok + lost)
}

// warmUp discards the losses of the start once it is over.
func (l *losses) warmUp(next uint64) {
	if !l.warm {
		l.forget(next)
		l.warm = true
	}
}

// forget keeps only the estimate, and counts afresh from transmission next.
func (l *losses) forget(next uint64) {
	l.from = next
	l.ok, l.lost = [phases]float64{}, [phases]float64{}
	for _, p := range []phase{starting, draining} {
		l.ok[p], l.lost[p] = 200*(1-l.own), 200*l.own
	}
}
