package arq

import (
	"testing"
	"time"
)

// A queue that shrinks as it should is a queue; what remains is the route itself.
func TestRoute(t *testing.T) {
	const took = 50 * msec
	for _, c := range []struct {
		name   string
		queues []time.Duration // of each round, in which 0.6 of what the link carries is sent
		longer bool
	}{
		{"gets shorter", []time.Duration{100 * msec, 80 * msec, 60 * msec, 40 * msec, 20 * msec}, false},
		{"gets shorter by half of what it should, as others send, too", []time.Duration{100 * msec, 90 * msec, 80 * msec, 70 * msec}, false},
		{"stays", []time.Duration{100 * msec, 100 * msec, 99 * msec, 101 * msec}, true},
		{"stays, but not for long", []time.Duration{100 * msec, 100 * msec}, false},
		{"gets longer", []time.Duration{10 * msec, 20 * msec, 30 * msec}, true},
	} {
		var r route
		longer := false
		for _, q := range c.queues {
			longer = longer || r.drained(took, 0.6, q)
		}
		if longer != c.longer {
			t.Errorf("%s: %v", c.name, longer)
		}
	}
}

// A route that became longer for good looked like a queue that nothing empties: the rate
// fell to nearly nothing for as long as the old round trip was believed.
func TestRouteGetsLonger(t *testing.T) {
	for _, ways := range [][2]time.Duration{{25 * msec, 75 * msec}, {75 * msec, 25 * msec}, {5 * msec, 150 * msec}} {
		s := new(sim)
		const rate, change = 20e6 / 8, 4 * time.Second
		w := wire{rate: rate, queue: 100 * msec, route: func(now time.Duration) time.Duration {
			if now < change {
				return ways[0]
			}
			return ways[1]
		}}
		client, server := pair(s, w, w, 1)
		client.download()
		s.run(change + 2*time.Second)
		before := client.read
		s.run(change + 6*time.Second)
		if got := float64(client.read-before) / 4 / rate; got < 0.85 {
			t.Errorf("%v to %v: %.0f %% of the rate from 2 s after the change on; the least round trip is taken for %v", ways[0], ways[1], 100*got, server.rtt.least)
		}
	}
}
