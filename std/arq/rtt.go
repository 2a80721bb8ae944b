package arq

import "time"

// guess is the round trip of a link of which nothing is known.
const guess = 200 * time.Millisecond

// leastFor is how long the least round trip is believed: the path may have changed.
const leastFor = 10 * time.Second

// rtt is what is known of the round trip.
type rtt struct {
	known             bool
	smooth, deviation time.Duration
	last              time.Duration
	least             time.Duration // of about the last 10 s
	leastAt           time.Duration
	nextLeast         time.Duration // since leastAt
	recent            [4]time.Duration
	n                 int
	jitter            time.Duration // by how much packets overtake others
}

func newRTT() rtt { return rtt{smooth: guess, deviation: guess / 2, least: guess} }

// sample takes a round trip in.
func (r *rtt) sample(now, d time.Duration) {
	if !r.known {
		*r = rtt{known: true, jitter: r.jitter, smooth: d, deviation: d / 2, least: d, leastAt: now, nextLeast: d}
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

// timeout is how long an answer may take.
func (r *rtt) timeout() time.Duration {
	return r.smooth + max(4*r.deviation, 10*time.Millisecond) + 25*time.Millisecond
}

// longer takes note that the least round trip is longer by a part of what queue tells.
func (r *rtt) longer(now, by time.Duration) {
	r.least += by
	r.leastAt, r.nextLeast = now, r.least
}

// queue is by how much the least of the latest round trips is above the least: the time
// that packets wait in queues.
func (r *rtt) queue() time.Duration {
	if r.n < len(r.recent) {
		return 0
	}
	return max(0, min(r.recent[0], r.recent[1], r.recent[2], r.recent[3])-r.least)
}
