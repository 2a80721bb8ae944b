package arq

import (
	"testing"
	"time"
)

// A machine that was busy while a transfer began made less arrive for a moment, as a link
// does that is full. The start ended with a fraction of the rate, which then grew by a
// tenth at a time.
func TestPauseDoesNotEndTheStart(t *testing.T) {
	for _, c := range []struct {
		mbit float64
		rtt  time.Duration
		peer bool // pauses, rather than the sender
	}{{100, 100 * msec, true}, {20, 100 * msec, false}} {
		for at := 250 * msec; at <= 450*msec; at += 50 * msec {
			s := new(sim)
			w := wire{delay: c.rtt / 2, rate: c.mbit * 1e6 / 8, queue: 100 * msec}
			client, server := pair(s, w, w, 1)
			client.download()
			s.run(at)
			if c.peer {
				client.pause(150 * msec)
			} else {
				server.pause(150 * msec)
			}
			s.run(2 * time.Second)
			before := client.read
			s.run(3 * time.Second)
			if share := float64(client.read-before) * (cell{}).ideal() / w.rate; share < 0.8 {
				t.Errorf("%v Mbit/s, %v, a pause at %v, of the peer %v: %.2f of the link", c.mbit, c.rtt, at, c.peer, share)
			}
		}
	}
}
