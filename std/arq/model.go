package arq

import "time"

// phase is a phase of the sender.
type phase uint8

const (
	starting phase = iota // searches for the rate
	draining              // empties the queue that it has built up
	cruising              // holds the rate and a short queue
	probing               // tests whether there is more bandwidth
	phases
)

// mtu is roughly the size of a full packet on the wire, in bytes.
const mtu = 1400

// Limits of the model.
const (
	leastPace  = 30e3 // bytes per second
	firstBurst = 160  // packets in the first round trip
	startGain  = 2    // ratio of the pace to the rate during the start
	mostLoss   = 0.3  // the most loss that is attributed to the link itself
)

// model finds the rate of a link. It uses no sockets and no clock: it is told what was
// delivered and lost, and says how fast to send.
type model struct {
	phase phase
	since time.Duration // when the phase began
	first uint64        // the first transmission of the phase

	rtt  *rtt
	gain float64
	pace float64 // bytes per second on the wire
	bw   float64 // bytes per second that arrive

	rates  [8]float64 // of the most recent rounds
	rateN  int
	round  round
	track  track
	losses losses
	route  route
	start  start

	heard     time.Duration // when the last sample came
	silent    time.Duration // until when none came for long
	longFrom  time.Duration // since when the queue has been long; 0: it is not
	probeGain float64
	probeFrom float64       // the rate when probing began
	overload  int           // rounds
	wider     int           // how often this probing has found the link wider than assumed
	empty     int           // rounds in which the queue was empty
	collapsed time.Duration // when the rate was last cut
	before    float64       // the rate before that
	high      float64       // the highest rate that was cut in the last 10 s
	highAt    time.Duration // when it was
	flooded   bool          // in the last round less than half of what was sent arrived
	flooding  int           // rounds in a row in which it was so
	emptied   time.Duration // when the queue was last empty
	joinedAt  time.Duration // when a flow was found to start beside us; 0: none was
	cycle     int

	doubt bool // the start has ended, but it is unclear whether the link was full

	peak   time.Duration // the longest recent queue
	brim   time.Duration // the queue at which the link drops packets; 0: unknown
	brimAt time.Duration
}

// round lasts about a round trip.
type round struct {
	at      time.Duration // when it began
	bytes   int64         // delivered before it
	tx      uint64        // the first transmission in it
	queue   time.Duration // the shortest queue in it
	limited bool          // the application sent too little to fill the link
}

func newModel(r *rtt) model {
	m := model{rtt: r, gain: startGain}
	m.pace = firstBurst * mtu / guess.Seconds()
	return m
}

// sample is what a packet from the peer reveals.
type sample struct {
	now         time.Duration
	delivered   int64 // total bytes
	sent        int64 // total bytes, including retransmissions
	outstanding int
	newest      uint64 // the newest transmission that has arrived
	next        uint64 // the next transmission
}

// feed processes a sample, and tells whether it ended a round.
func (m *model) feed(s sample) (ended bool) {
	if !m.rtt.known {
		return false
	}
	if m.round.at == 0 {
		m.begin(s)
		m.pace = max(m.pace, firstBurst*mtu/max(m.rtt.smooth.Seconds(), 0.1))
	}
	m.track.add(s, m.rtt)
	m.round.queue = min(m.round.queue, m.rtt.queue())
	if m.phase == draining {
		m.drain(s)
	}
	m.watch(s)
	if ended = m.over(s); ended {
		m.end(s)
	}
	m.setPace()
	return ended
}

// begin starts a round.
func (m *model) begin(s sample) {
	m.round = round{at: s.now, bytes: s.delivered, tx: s.next, queue: time.Hour}
}

// over tells whether the round is over.
func (m *model) over(s sample) bool {
	age := s.now - m.round.at
	if m.phase == starting {
		return age >= max(25*time.Millisecond, m.rtt.smooth/4)
	}
	return s.newest >= m.round.tx && age >= max(40*time.Millisecond, m.rtt.least/2)
}

// enter starts a phase.
func (m *model) enter(p phase, s sample) {
	m.phase, m.since, m.first = p, s.now, s.next
	switch p {
	case starting:
		m.gain, m.start = startGain, start{full: m.bw, grownAt: s.now}
	case probing:
		m.wider, m.empty = 0, 0
		m.probeGain, m.probeFrom = 1.1, m.bw
		if s.now-m.collapsed < leastFor && m.bw < m.before/2 { // the earlier rate may be available again
			m.probeGain = 1.5
		} else if m.doubt {
			m.probeGain = 1.25
		}
		m.doubt = false
		m.gain = m.probeGain
	case draining:
		m.cycle++
		m.route = route{}
		m.drain(s)
	case cruising:
		m.gain = 1
	}
}

// targetQueue is how long the queue should be. It is a fixed amount of data, so a slower
// flow tolerates a longer queue; this makes the shares of two flows converge.
func (m *model) targetQueue() time.Duration {
	q := seconds(24 * mtu / max(m.bw, 1))
	if m.brim > 0 {
		q = min(q, m.brim/3)
	}
	return min(max(q, 2*time.Millisecond), max(m.rtt.least/4, 15*time.Millisecond))
}

// longQueue is the queue that shows that we send more than the link carries.
func (m *model) longQueue() time.Duration {
	long := m.targetQueue() + max(m.rtt.least/10, 8*time.Millisecond)
	if m.brim > 0 {
		long = min(long, max(m.brim*3/4, m.targetQueue()+2*time.Millisecond))
	}
	return long + m.rtt.jitter/2
}

// overflow records at the end of a round how long the queue is when the link starts to
// drop.
func (m *model) overflow(now, queue time.Duration) {
	m.peak = max(queue, m.peak*7/8)
	switch {
	case (m.losses.warm || m.phase == draining) && m.losses.ours() > 0.02:
		m.brim, m.brimAt = m.peak, now
	case now-m.brimAt > leastFor:
		m.brim = 0
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// watch checks every sample for what cannot wait until the end of a round: that we send
// more than the link carries.
func (m *model) watch(s sample) {
	// The queue must be long over several samples: if the program itself was suspended,
	// samples arrive late and reveal nothing about the link. Nor does the time in which none
	// has arrived.
	if silence := s.now - m.heard; silence > max(50*time.Millisecond, m.rtt.least/2, seconds(8*mtu/max(m.bw, 1))) {
		m.longFrom, m.silent = 0, s.now
		m.start.pauses++
	}
	m.heard = s.now
	if m.rtt.queue() <= m.targetQueue() {
		m.emptied = s.now
	}
	switch {
	case m.rtt.queue() <= m.longQueue():
		m.longFrom = 0
	case m.longFrom == 0:
		m.longFrom = s.now
	}
	long := m.longFrom > 0 && s.now-m.longFrom > 10*time.Millisecond
	while := max(20*time.Millisecond, m.rtt.least/2)
	switch {
	case m.phase == starting && (long || m.crowded()):
		m.endStart(s)
	case m.phase == probing && long && s.newest >= m.first:
		m.enter(draining, s)
	case m.phase != starting && long && m.rtt.queue() > m.veryLong() && s.now-m.collapsed > m.rtt.smooth+while:
		// Less may arrive merely because less was sent; that is no collapse. The rate is
		// measured only since the queue became long: packets that move to a longer route
		// leave a gap first.
		if r := m.track.rate(s.now, while); r > 0 && s.now-m.longFrom > while && r < 0.7*m.bw && m.track.share(m.rtt) < 0.8 {
			m.flooded = m.flooded || m.floods() // the round before may know nothing of it
			m.collapse(s, r)
		}
	}
}

// drain sets how far the pace stays below the rate, so that the queue empties within a
// round trip.
func (m *model) drain(s sample) {
	rate := m.bw / (1 - m.losses.own)
	if rate <= 0 {
		return
	}
	excess := max(m.rtt.queue(), seconds(float64(s.outstanding)/rate)-m.rtt.least-12*time.Millisecond)
	top := 0.92
	if m.cycle%4 == 0 { // occasionally deep enough to see the link's own loss
		top = 0.85
	}
	least := 0.4
	if m.joined(s.now) { // others would fill at once what we empty
		least = 0.85
	}
	m.gain = max(least, min(top, 1-excess.Seconds()/max(m.rtt.smooth, 40*time.Millisecond).Seconds()))
}

// end ends a round.
func (m *model) end(s sample) {
	took := s.now - m.round.at
	rate := float64(s.delivered-m.round.bytes) / took.Seconds()
	queue, limited := m.round.queue, m.round.limited
	if queue == time.Hour {
		queue = 0
	}
	m.begin(s)
	m.noteFlood()
	own := m.losses.own
	m.losses.round(took, m.phase)
	if m.joined(s.now) { // what others make the link drop says nothing of the link
		m.losses.own = min(own, m.losses.own)
		m.losses.forget(s.next)
	}
	m.overflow(s.now, queue)
	if !limited || rate > m.bw {
		m.addRate(rate)
	}
	switch m.phase {
	case starting:
		m.endStarting(s, queue, limited)
	case probing:
		m.endProbing(s, rate, limited)
	case draining:
		if s.newest >= m.first && m.track.share(m.rtt) > 0.95 && m.route.drained(took, m.gain, queue) {
			m.rtt.longer(s.now, queue)
			queue = 0
			switch {
			case s.now-m.collapsed < m.lately(): // the rate fell only because of the gap left by the change of route
				m.setRate(max(m.before, m.bw))
			case s.now-m.collapsed < leastFor: // others fill the queue; half of it is ours
				m.setRate(max(m.before/2, m.bw))
			}
		}
		if s.newest >= m.first && queue <= m.targetQueue() || s.now-m.since > m.lately() {
			m.losses.warmUp(s.next)
			m.doubt = m.doubt && m.brim == 0 && m.peak < m.longQueue()
			m.enter(cruising, s)
		}
	case cruising:
		m.steer(queue)
		cruise := max(8*m.rtt.smooth, 500*time.Millisecond)
		if m.doubt {
			cruise = 2 * m.rtt.smooth
		}
		if s.now-m.since > cruise || m.empty >= 4 {
			m.enter(probing, s)
		}
	}
	m.checkOverload(s, queue, rate, limited)
}

// endProbing probes faster if the link turns out to be wider.
func (m *model) endProbing(s sample, rate float64, limited bool) {
	if s.newest < m.first || s.now-m.since <= 2*m.rtt.smooth+20*time.Millisecond {
		return
	}
	if rate > m.probeFrom*(1+0.5*(m.probeGain-1)) && !limited && m.losses.ours() < 0.03 {
		m.probeFrom = rate
		m.setRate(rate)
		m.probeGain = min(2, m.probeGain*1.25)
		m.gain = m.probeGain
		m.since, m.first = s.now, s.next
		if m.wider++; m.wider >= 2 { // much wider, which is what the start is made for
			m.enter(starting, s)
		}
		return
	}
	m.enter(draining, s)
}

// steer keeps the queue at its target.
func (m *model) steer(queue time.Duration) {
	off := (m.targetQueue() - queue).Seconds() / max(m.rtt.least, 50*time.Millisecond).Seconds()
	m.gain = min(1.08, max(0.9, 1+0.7*off))
	if m.empty++; queue > m.targetQueue()/4 || m.gain < 1.05 {
		m.empty = 0
	}
	if m.losses.ours() > 0.02 { // more than while draining, so we cause it
		m.gain = min(m.gain, 0.95)
	}
}

// addRate records the rate of a round. The second largest of the last rounds counts,
// because the largest may be an outlier.
func (m *model) addRate(rate float64) {
	m.rateN++
	m.rates[m.rateN%len(m.rates)] = rate
	first, second := 0.0, 0.0
	for _, r := range m.rates {
		if r > first {
			first, second = r, first
		} else {
			second = max(second, r)
		}
	}
	m.bw = second
	if second == 0 || m.phase == starting {
		m.bw = first
	}
}

func (m *model) setRate(rate float64) {
	m.rates = [len(m.rates)]float64{rate} // counts twice, since the second largest is used
	m.rateN = 0
	m.addRate(rate)
}

func (m *model) setPace() {
	if m.bw <= 0 {
		return
	}
	pace := m.gain * m.bw / (1 - m.losses.own)
	if m.phase == starting {
		pace = max(pace, m.pace)
	}
	m.pace = max(pace, leastPace)
}

// window is how many bytes may be in flight.
func (m *model) window() int {
	if !m.rtt.known {
		return firstBurst * mtu
	}
	rate := m.bw / (1 - m.losses.own)
	if rate == 0 || m.phase == starting {
		rate = max(2*rate, m.pace)
	}
	return int(rate*(m.rtt.least+40*time.Millisecond).Seconds()*1.6) + 64*mtu
}
