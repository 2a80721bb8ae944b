package arq

import "time"

// route notices that the round trip has become longer for good, because packets take
// another way: what looks like a queue stays as long as it is though less is sent than the
// link carries.
type route struct {
	looking bool
	queue   time.Duration // when it was looked at first
	should  time.Duration // by how much it should have become shorter since
}

// leastShould is by how much a queue should have become shorter before it is no queue.
const leastShould = 20 * time.Millisecond

// drained takes in a round in which the pace was gain times what the link carries, and
// the shortest queue in it. It tells whether that is no queue.
func (r *route) drained(took time.Duration, gain float64, queue time.Duration) (longer bool) {
	if !r.looking {
		*r = route{looking: true, queue: queue}
		return false
	}
	r.should += seconds((1 - gain) * took.Seconds())
	return r.should > max(leastShould, r.queue/4) && queue > r.queue-r.should/4
}
