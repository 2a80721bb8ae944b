package arq

import "time"

// route notices that the round trip has become longer for good because packets take another
// route: what looks like a queue does not shrink although less is sent than the link
// carries.
type route struct {
	looking bool
	queue   time.Duration // when it was first looked at
	should  time.Duration // by how much it should have shrunk since
}

// leastShould is by how much a queue should have shrunk before we conclude that it is not a
// queue.
const leastShould = 20 * time.Millisecond

// drained processes a round in which the pace was gain times what the link carries; queue
// is the shortest queue in it. It tells whether the round trip has become longer, rather
// than the queue.
func (r *route) drained(took time.Duration, gain float64, queue time.Duration) (longer bool) {
	if !r.looking {
		*r = route{looking: true, queue: queue}
		return false
	}
	r.should += seconds((1 - gain) * took.Seconds())
	return r.should > max(leastShould, r.queue/4) && queue > r.queue-r.should/4
}
