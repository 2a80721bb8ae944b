package arq

import "time"

// guess is the assumed round trip of a link of which nothing is known.
const guess = 200 * time.Millisecond

// leastFor is how long the shortest round trip stays valid: the path may change.
const leastFor = 10 * time.Second

// rtt is what is known about the round trip.
type rtt struct {
	known             bool
	smooth, deviation time.Duration
	last              time.Duration
	least             time.Duration // shortest of about the last 10 s
	leastAt           time.Duration
	nextLeast         time.Duration // since leastAt
	recent            [4]time.Duration
	n                 int
	jitter            time.Duration // by how much packets overtake one another

	// first is from the first transmission of the first segment until una covered it, at most
	// lastProbe: the first round trip, or more. It counts until a round trip is known. Who sends
	// only requests may not know one for long: the una of an answer comes before the
	// acknowledgement, which then finds no segment. A path of 2 s was taken for dead after 3.
	first time.Duration
}

func newRTT() rtt { return rtt{smooth: guess, deviation: guess / 2, least: guess} }

// sample records a round trip.
func (r *rtt) sample(now, d time.Duration) {
	if !r.known {
		*r = rtt{known: true, jitter: r.jitter, first: r.first, smooth: d, deviation: d / 2, least: d, leastAt: now, nextLeast: d}
	}
	r.last = d
	diff := d - r.smooth
	r.smooth += diff / 8
	r.deviation += (max(diff, -diff) - r.deviation) / 4
	switch {
	case d <= r.least:
		r.least, r.leastAt, r.nextLeast = d, now, d
	case now-r.leastAt > leastFor:
		r.least, r.leastAt, r.nextLeast = min(d, r.nextLeast), now, d
	}
	r.nextLeast = min(r.nextLeast, d)
	r.recent[r.n%len(r.recent)] = d
	r.n++
}

// mostTimeout is above what any path takes. A probe that was not needed costs two packets; a
// round trip that was measured wrongly, such as by an acknowledgement whose clock value was
// damaged, could cost minutes.
const mostTimeout = 10 * time.Second

// timeout is how long an answer may take.
func (r *rtt) timeout() time.Duration {
	smooth, deviation := r.smooth, r.deviation
	if !r.known && r.first > smooth {
		smooth, deviation = r.first, r.first/2
	}
	return min(smooth+max(4*deviation, 10*time.Millisecond)+25*time.Millisecond, mostTimeout)
}

// longer raises the shortest round trip by part of what appears to be queue.
func (r *rtt) longer(now, by time.Duration) {
	r.least += by
	r.leastAt, r.nextLeast = now, r.least
}

// queue is how far the shortest of the most recent round trips lies above the shortest of
// all: the time that packets wait in queues.
func (r *rtt) queue() time.Duration {
	if r.n < len(r.recent) {
		return 0
	}
	return max(0, min(r.recent[0], r.recent[1], r.recent[2], r.recent[3])-r.least)
}
