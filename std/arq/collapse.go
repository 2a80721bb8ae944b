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
	if (m.collapsed == 0 || s.now-m.collapsed > leastFor) && s.now-m.emptied > max(400*time.Millisecond, 4*m.rtt.least) {
		m.joinedAt = s.now
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

// noteFlood records at the end of a round whether less than half of what was sent arrived.
// A flow that starts causes that for a moment; a link that got slower, until we give way.
func (m *model) noteFlood() {
	if m.flooded = m.floods(); !m.flooded {
		m.flooding = 0
	} else if m.flooding++; m.flooding >= 2 {
		m.joinedAt = 0
	}
}

// joined tells whether another flow has lately started beside us. Its rate doubles each
// round trip, so that the queue grows slowly at first; a link that gets slower at once fills
// it within a round trip or two. BBR's start takes about 20 round trips on a link of 100
// Mbit/s. It looks for the highest rate that it can have, and for 10 rounds keeps to what it
// has found: if it finds the whole link, we get a tenth.
func (m *model) joined(now time.Duration) bool {
	return m.joinedAt > 0 && now-m.joinedAt < max(time.Second, 24*m.rtt.least)
}

// ourShare is the rate that we keep, however little has just arrived: half of the highest
// lately beside a flow that starts, and else a third, which a flow that fills the queue in
// waves leaves to us for certain. The queue of a link that got slower would stay full, and
// if we sent too much for it, less would arrive.
func (m *model) ourShare(now time.Duration) float64 {
	if m.joined(now) {
		return m.high / 2
	}
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
