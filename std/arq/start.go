package arq

import "time"

// start is the state of the start. The pace is twice the rate of arrival, so it doubles
// each round trip until the link is full.
type start struct {
	full    float64       // the rate when it last grew much
	grownAt time.Duration // when that was
	behind  int           // rounds in which less arrived than was sent
	pauses  int           // how often nothing arrived for a while

	queues [4]time.Duration // of the last rounds, about a round trip
	calm   time.Duration    // the longest queue before those
}

// endStarting ends a round of the start.
func (m *model) endStarting(s sample, queue time.Duration, limited bool) {
	if m.paused(s.now) {
		m.start.behind, m.start.grownAt = 0, s.now
	} else if m.arriving() < 0.85 {
		m.start.behind++
	} else {
		m.start.behind = 0
	}
	m.start.calm = max(m.start.calm, m.start.queues[3])
	copy(m.start.queues[1:], m.start.queues[:])
	m.start.queues[0] = queue
	if m.start.behind >= 3 {
		m.endStart(s)
		return
	}
	if m.bw > m.start.full*1.25 || limited {
		m.start.full, m.start.grownAt = max(m.start.full, m.bw), s.now
	} else if s.now-m.start.grownAt > 2*m.rtt.smooth+50*time.Millisecond {
		m.enter(draining, s)
	}
}

// mostPauses is how many pauses of a start are excused, with the one before the first sample.
// A path that hands on in bunches has one after the other.
const mostPauses = 4

// paused tells whether nothing arrived for a while within the last round trip: one of the
// ends did not run. What arrives around that time says nothing of the link.
func (m *model) paused(now time.Duration) bool {
	return m.silent > 0 && now-m.silent < m.rtt.smooth && m.start.pauses <= mostPauses
}

// arriving is the share of what was sent that arrives, during the start.
func (m *model) arriving() float64 { return m.track.share(m.rtt) / (1 - m.losses.own) }

// crowded tells, during the start, whether less arrives than was sent and a queue has built
// up within the last round trip. Either alone may be due to bursts of loss, or to jitter.
func (m *model) crowded() bool {
	return m.rtt.queue() > m.targetQueue()+m.start.calm+m.rtt.jitter/2 && m.arriving() < 0.92 && !m.paused(m.heard)
}

// endStart ends the start with the rate that the link has shown.
func (m *model) endStart(s sample) {
	if r := m.track.rate(s.now, min(250*time.Millisecond, max(50*time.Millisecond, m.rtt.smooth/2))); r > 0 && !m.paused(s.now) {
		m.setRate(r)
	}
	m.doubt = true
	m.enter(draining, s)
}
