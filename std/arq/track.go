package arq

import (
	"math"
	"time"
)

// track records what was recently sent and delivered, every few milliseconds.
type track struct {
	marks [128]mark
	n     int
}

// mark is how many bytes had been sent and delivered at a given time.
type mark struct {
	at              time.Duration
	sent, delivered int64
}

// add records a sample, at most 32 in a round trip.
func (t *track) add(s sample, r *rtt) {
	if t.n > 0 && s.now-t.last().at < max(time.Millisecond, r.least/32) {
		return
	}
	t.marks[t.n%len(t.marks)] = mark{s.now, s.sent, s.delivered}
	t.n++
}

func (t *track) last() mark { return t.marks[(t.n-1)%len(t.marks)] }

// at interpolates the counts at a given time between two marks. ok is false if that is too
// long ago.
func (t *track) at(then time.Duration) (m mark, ok bool) {
	var later mark
	for i := 1; i <= min(t.n, len(t.marks)); i++ {
		m := t.marks[(t.n-i)%len(t.marks)]
		if m.at > then {
			later = m
			continue
		}
		if later.at == 0 {
			return m, true
		}
		part := float64(then-m.at) / float64(later.at-m.at)
		return mark{
			then,
			m.sent + int64(part*float64(later.sent-m.sent)),
			m.delivered + int64(part*float64(later.delivered-m.delivered)),
		}, true
	}
	return mark{}, false
}

// rate is the bytes per second delivered during the last while.
func (t *track) rate(now, while time.Duration) float64 {
	last := t.last()
	m, ok := t.at(now - while)
	if !ok || last.at <= m.at {
		return 0
	}
	return float64(last.delivered-m.delivered) / (last.at - m.at).Seconds()
}

// share estimates, during the start, how much of what was sent arrives: what arrived during
// the last while, divided by what was sent during a while of that length one round trip
// earlier. It drops when the link carries no more, whether or not a queue is visible. For
// small numbers of packets it allows three standard deviations of a loss rate of 10 %.
func (t *track) share(r *rtt) float64 {
	while := max(r.smooth/2, 20*time.Millisecond)
	now := t.last()
	begin, ok1 := t.at(now.at - while)
	sentEnd, ok2 := t.at(now.at - r.smooth - 2*r.deviation)
	sentBegin, ok3 := t.at(begin.at - r.smooth - 2*r.deviation)
	packets := float64(sentEnd.sent-sentBegin.sent) / mtu
	if !ok1 || !ok2 || !ok3 || packets < 30 {
		return 1
	}
	return (float64(now.delivered-begin.delivered)/mtu + 3*math.Sqrt(0.09*packets)) / packets
}
