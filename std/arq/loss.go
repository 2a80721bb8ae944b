package arq

import "time"

// reordered is how many later transmissions must have arrived before one is considered
// lost.
const reordered = 3

// Bounds of how long an overtaken transmission is waited for.
const (
	leastPatience = 3 * time.Millisecond
	lateMargin    = time.Millisecond
)

// loss detects lost segments as in RFC 8985: from the arrival of segments that were sent
// later. How much later is learned from segments that were overtaken but still arrived.
type loss struct {
	late  time.Duration // the most by which a transmission was overtaken and still arrived
	reo   time.Duration // a transmission overtaken by more than this is lost
	tries int           // probe timeouts since the last progress
	since time.Duration // when the wait for the next probe began
}

// learn records by how much a transmission that arrived had been overtaken.
func (l *loss) learn(late time.Duration, r *rtt) {
	l.late = min(max(l.late, late), max(r.smooth, 10*time.Millisecond))
	l.update(r)
}

// decay forgets part of what was learned. It is called once a round.
func (l *loss) decay(r *rtt) {
	l.late -= l.late / 32
	l.update(r)
}

func (l *loss) update(r *rtt) {
	r.jitter = l.late
	l.reo = max(r.least/16, leastPatience, l.late+l.late/8+lateMargin)
}

// detect marks what is lost by now. It returns when to look again even if nothing arrives;
// 0: never.
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

// markLost queues a segment for retransmission.
func (s *sender) markLost(sn uint32, f *flight) {
	f.state = lost
	s.outstanding -= f.size
	s.resend = append(s.resend, sn)
}

// lastProbe is the longest time between two probes, if a round trip does not take longer: a
// network that was gone is used again so soon after it is back, and a peer that waits for a
// sign of life does not give us up meanwhile.
const lastProbe = 3 * time.Second

// timeout is how long to wait for a sign of the peer, with segments in flight, before
// probing.
func (l *loss) timeout(r *rtt) time.Duration {
	once := r.timeout()
	return max(min(once<<min(l.tries, 6), lastProbe), once)
}

// probe is when the next probe is due; 0: never.
func (l *loss) probe(s *sender, r *rtt) time.Duration {
	if s.outstanding == 0 {
		return 0
	}
	return l.since + l.timeout(r)
}

// fire marks as lost what should be sent to elicit an answer: the oldest and the newest
// segment, and at the third timeout everything, since by then it is more likely lost than
// not. Everything is not sent again more often: the answer then shows what of the
// rest is lost.
func (l *loss) fire(s *sender, now time.Duration, mark func(f *flight)) {
	l.tries++
	l.since = now
	all := l.tries == 3
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

// hurry makes the next probe due now, if the wait since the last one has become longer than
// the first: new data of the peer shows that the network is back.
func (l *loss) hurry(now time.Duration, r *rtt) {
	if l.tries > 1 && now-l.since >= r.timeout() {
		l.since = min(l.since, now-l.timeout(r))
	}
}

// progress records that something has arrived.
func (l *loss) progress(now time.Duration) { l.tries, l.since = 0, now }
