package arq

import "time"

// reordered is how many newer transmissions must have arrived for one to be lost.
const reordered = 3

// Bounds of the patience with what was overtaken.
const (
	leastPatience = 3 * time.Millisecond
	lateMargin    = time.Millisecond
)

// loss notices that segments are lost, as RFC 8985 has it: by what arrived that was sent
// later. How much later is learned from what arrived late.
type loss struct {
	late  time.Duration // the most that a transmission was overtaken by and still arrived
	reo   time.Duration // a transmission overtaken by more is lost
	tries int           // probe timeouts since the last progress
	since time.Duration // when the wait for the next one began
}

// learn takes in by how much a transmission was overtaken that arrived.
func (l *loss) learn(late time.Duration, r *rtt) {
	l.late = min(max(l.late, late), max(r.smooth, 10*time.Millisecond))
	l.update(r)
}

// decay forgets a part of that; it is called once a round.
func (l *loss) decay(r *rtt) {
	l.late -= l.late / 32
	l.update(r)
}

func (l *loss) update(r *rtt) {
	r.jitter = l.late
	l.reo = max(r.least/16, leastPatience, l.late+l.late/8+lateMargin)
}

// detect marks what is lost by now, and returns when to look again though nothing comes; 0
// is never.
func (l *loss) detect(s *sender, r *rtt, now time.Duration, mark func(f *flight)) (again time.Duration) {
	for tx := s.first; tx < s.nextTx && tx < s.newest; tx++ {
		t := &s.log[tx&uint64(len(s.log)-1)]
		f := s.pending(tx)
		if f == nil {
			s.first = tx + 1
			continue
		}
		overtaken := s.newest-tx >= reordered && s.newestAt-t.at > l.reo
		deadline := t.at + max(r.smooth, r.last) + l.reo
		if !overtaken && now < deadline {
			if again == 0 || deadline < again {
				again = deadline
			}
			return again // all that follow were sent later
		}
		s.first = tx + 1
		s.markLost(t.sn, f)
		mark(f)
	}
	return again
}

// markLost has a segment sent again.
func (s *sender) markLost(sn uint32, f *flight) {
	f.state = lost
	s.outstanding -= f.size
	s.resend = append(s.resend, sn)
}

// timeout is how long nothing is heard, with segments in flight, for a probe.
func (l *loss) timeout(r *rtt) time.Duration {
	return r.timeout() << min(l.tries, 6)
}

// probe is when the next probe is due; 0 is never.
func (l *loss) probe(s *sender, r *rtt) time.Duration {
	if s.outstanding == 0 {
		return 0
	}
	return l.since + l.timeout(r)
}

// fire marks as lost what shall be sent to get an answer: the oldest and the newest
// segment, and at the third time everything, for then it is more likely lost than not.
func (l *loss) fire(s *sender, now time.Duration, mark func(f *flight)) {
	l.tries++
	l.since = now
	all := l.tries >= 3
	for sn := s.una; sn != s.next; sn++ {
		if f := s.flight(sn); f.state == inFlight {
			s.markLost(sn, f)
			mark(f)
			if !all {
				break
			}
		}
	}
	for tx := s.nextTx - 1; !all && tx >= s.first; tx-- {
		t := &s.log[tx&uint64(len(s.log)-1)]
		if f := s.pending(tx); f != nil {
			s.markLost(t.sn, f)
			mark(f)
			return
		}
	}
}

// progress takes note that something has arrived.
func (l *loss) progress(now time.Duration) { l.tries, l.since = 0, now }
