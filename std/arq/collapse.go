package arq

import "time"

// veryLong is the queue that shows that the link carries less than before.
func (m *model) veryLong() time.Duration {
	return max(m.rtt.least/4, 25*time.Millisecond) + m.rtt.jitter/2
}

// collapse starts over with a rate that is clearly below the model.
func (m *model) collapse(s sample, rate float64) {
	if m.bw > m.high || s.now-m.highAt > leastFor {
		m.high, m.highAt = m.bw, s.now
	}
	if rate = max(rate, m.ourShare(s.now)); rate >= m.bw {
		return
	}
	if s.now-m.collapsed > m.lately() {
		m.before = 0
	}
	m.collapsed, m.before = s.now, max(m.before, m.bw)
	m.setRate(rate)
	m.losses.forget(s.next)
	m.enter(draining, s)
	m.overload = 0
}

// floods tells whether less than half of what was sent lately arrives.
func (m *model) floods() bool { return m.track.share(m.rtt) < 0.5 }

// ourShare is the rate that a flow which fills the queue in waves leaves to us for certain:
// a third of the highest lately, however little has just arrived. The queue of a link
// that got slower would stay full, and if we sent too much for it, less would arrive.
func (m *model) ourShare(now time.Duration) float64 {
	if m.flooded || now-m.emptied > max(time.Second, 8*m.rtt.smooth) {
		return 0
	}
	return m.high / 3
}

// lately is how long the previous state may still have been valid.
func (m *model) lately() time.Duration { return 4*m.rtt.smooth + 100*time.Millisecond }

// checkOverload notices that the link carries less than before: the queue is long, and the
// rate is clearly below the model.
func (m *model) checkOverload(s sample, queue time.Duration, rate float64, limited bool) {
	if m.phase == starting || limited || queue <= m.veryLong() || rate >= 0.85*m.bw || m.track.share(m.rtt) > 0.9 {
		m.overload = 0
		return
	}
	if m.overload++; m.overload >= 2 {
		m.collapse(s, rate)
	}
}
