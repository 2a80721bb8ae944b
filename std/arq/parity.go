package arq

import (
	"math"
	"time"
)

// Protect turns on error correction: with Config.Code, or as the engine chooses. For the
// former, the peer must be known to understand them: a stock receiver whose own groups have
// another shape, or that sends none, restores nonsense until it has learnt theirs, and may
// take that for data. For the
// latter, it must restore packets correctly while the shape changes: any stock receiver takes
// groups of two shapes for one.
func (e *Engine) Protect() {
	e.protect = true
	e.parity.code = e.cfg.Code
}

// Code is how many packets form a group of forward error correction, and how many parity
// packets follow it. The zero value means no error correction.
type Code struct{ Data, Parity int }

// CodeHeader is by how many bytes a packet is longer in a group.
const CodeHeader = 8

// parity decides which packets get forward error correction, and how much of it.
//
// Bulk gets none: it is short of link capacity, of window or of CPU time, and
// retransmission takes less of each. Bulk fills the link, waits for a window, or has more
// packets than a video. A thin flow gets copies, because a group would fill up too late. In
// between are calls and games, from several hundred kbit/s to several Mbit/s. Each loss
// holds them up for a round trip, and with packets so frequent that means nearly every
// loss. They get groups that fill up within a round trip.
type parity struct {
	code   Code
	given  bool          // by Config.Code: it never changes, and applies to all data
	since  time.Duration // since when the code is in force
	jitter time.Duration // by how much packets overtook others before there was a code
	calm   time.Duration // when the pace last held nothing back
	walled time.Duration // when a window, the peer's or ours, last did; 0: never
	misses misses

	at      time.Duration // when packets was last 0
	packets int           // sent since then, in groups or not
	rate    float64       // packets per second
}

const (
	// calmFor is how long a flow counts as one that does not fill the link. A frame of a
	// video is sent within that time.
	calmFor = 100 * time.Millisecond
	// mostRate is the most packets per second of a video, at about 10 Mbit/s. A flow with
	// more is bulk, even if something other than the link holds it back.
	mostRate = 1000
	// decideEach is how often the code is reconsidered, and keepCode how long a code is
	// kept: a receiver has to discover a new one, and restores nothing meanwhile.
	decideEach = 250 * time.Millisecond
	keepCode   = 30 * time.Second
	// knownAfter is how many packets are observed first.
	knownAfter = 100
	// worthCode is the loss rate from which error correction is used, and lateShare the
	// share of a flow that may be late nevertheless.
	worthCode = 0.005
	lateShare = 0.005
	// largeGroup and smallGroup are the data packets in a group, and mostParity is the most
	// parity packets for a large group.
	largeGroup, smallGroup = 10, 5
	mostParity             = 6
)

// decide sets the code for the packets that follow, and tells whether there is one.
func (p *parity) decide(now time.Duration, r *rtt) bool {
	took := now - p.at
	if took < decideEach || p.given {
		return p.code.Parity > 0
	}
	if p.packets > 0 {
		p.rate = float64(p.packets) / took.Seconds()
	}
	p.at, p.packets = now, 0
	if p.misses.seen < knownAfter || p.rate == 0 || p.code.Parity > 0 && now-p.since < keepCode {
		return p.code.Parity > 0
	}
	if code := p.choose(r.smooth); p.differs(code) {
		if p.code.Parity == 0 {
			p.jitter = r.jitter
		}
		p.code, p.since = code, now
	}
	return p.code.Parity > 0
}

// differs tells whether another code is so much better that it pays to change.
func (p *parity) differs(c Code) bool {
	return c.Data != p.code.Data || max(c.Parity-p.code.Parity, p.code.Parity-c.Parity) > 1
}

// choose returns the code for the current traffic: groups that fill up within half a round
// trip, or none if even small groups do not fill up within a whole one, because then a
// retransmission is just as fast.
func (p *parity) choose(trip time.Duration) Code {
	lost, run := p.misses.share(), p.misses.run()
	most := p.rate * trip.Seconds() / 2
	if p.code.Data == largeGroup {
		most *= 1.5 // so that a rate near the threshold does not cause repeated changes
	}
	c := Code{Data: largeGroup}
	if most < largeGroup {
		c.Data = smallGroup
	}
	if lost < worthCode || 2*most < smallGroup || p.rate > mostRate {
		return Code{}
	}
	full := float64(c.Data) / p.rate // seconds
	for c.Parity = 1; c.Parity < mostParity*c.Data/largeGroup; c.Parity++ {
		if tooMany(c, lost, run)*(full+1.2*trip.Seconds())/full <= lateShare {
			break
		}
	}
	return c
}

// tooMany is the probability that a group loses more packets than its parity can replace,
// if a given share is lost in runs of a given mean length: a compound Poisson distribution,
// computed by Panjer's recursion.
func tooMany(c Code, lost, run float64) float64 {
	runs := float64(c.Data+c.Parity) * lost / run
	probability := make([]float64, c.Parity+1) // of so many lost packets
	probability[0] = math.Exp(-runs)
	left := 1 - probability[0]
	for n := 1; n <= c.Parity; n++ {
		length := 1 / run // the probability of a run of j
		for j := 1; j <= n; j++ {
			probability[n] += runs / float64(n) * float64(j) * length * probability[n-j]
			length *= 1 - 1/run
		}
		left -= probability[n]
	}
	return max(left, 0)
}

// on tells whether a packet that is sent now is in a group.
func (p *parity) on(now time.Duration) bool {
	if p.given {
		return p.code.Parity > 0
	}
	return p.code.Parity > 0 && now-p.calm <= calmFor && (p.walled == 0 || now-p.walled > calmFor) &&
		p.rate <= mostRate && float64(p.packets) <= mostRate*decideEach.Seconds()
}

// restored tells whether a packet that comes so late has probably been restored from its
// group: later than those did that only came in another order, before there were groups.
func (p *parity) restored(late time.Duration) bool {
	return p.code.Parity > 0 && !p.given && late > p.jitter
}

// misses estimates how much the link loses, whether or not a copy or parity replaces it.
type misses struct {
	seen, missed, runs float64 // transmissions, recently
	last               uint64  // the newest that was missed
}

// note records whether a transmission was missed.
func (m *misses) note(tx uint64, missed bool) {
	if m.seen++; m.seen > 1000 {
		m.seen, m.missed, m.runs = m.seen/2, m.missed/2, m.runs/2
	}
	if !missed {
		return
	}
	m.missed++
	if m.last == 0 || tx != m.last+1 {
		m.runs++
	}
	m.last = tx
}

// share is the share of transmissions lost: as observed, but near 2 % while little has been
// observed.
func (m *misses) share() float64 { return (m.missed + 0.2) / (m.seen + 10) }

// most is the largest share that what was observed leaves likely: two standard deviations
// above it, and two packets more. Without any loss it falls below 2 % after 90 packets: on a
// link that loses 3 %, there are none among 90 in one case of 15, but among 15 in two of
// three.
func (m *misses) most() float64 { return (m.missed + 2*math.Sqrt(m.missed) + 2) / (m.seen + 10) }

// known is the share observed.
func (m *misses) known() float64 { return m.missed / max(m.seen, 1) }

// run is how many are lost in a row, on average.
func (m *misses) run() float64 {
	if m.runs < 3 {
		return 1
	}
	return max(1, m.missed/m.runs)
}
