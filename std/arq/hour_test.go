package arq

import (
	"testing"
	"time"
)

// In an hour on a link that is twice as fast at times, with a download that pauses, what is
// known of the link does not drift. In simulated time this takes about a second.
func TestHour(t *testing.T) {
	if testing.Short() {
		t.Skip("an hour, though simulated")
	}
	const slow, busy, pause = 1e6 / 8, 80 * time.Second, 20 * time.Second
	s := new(sim)
	w := wire{delay: 40 * msec, queue: 100 * msec, loss: 0.01, rate: slow, change: steps(250*time.Second, 1, 2)}
	client, server := pair(s, w, w, 1)
	client.write(64)
	client.poll()
	for s.now < time.Hour {
		server.bulk = true
		server.poll()
		begun, before := s.now, client.read
		s.run(begun + busy)
		server.bulk = false
		rate := slow * (1 - 0.01) * 1306 / 1378
		if begun%(500*time.Second) >= 250*time.Second {
			rate *= 2
		}
		changes := begun/(250*time.Second) != s.now/(250*time.Second)
		if got := float64(client.read-before) / busy.Seconds(); !changes && got < 0.9*rate {
			t.Errorf("from %v on: %.0f bytes a second, %.0f %% of what the link carries", begun, got, 100*got/rate)
		}
		if least := server.rtt.least; least < 80*msec || least > 130*msec {
			t.Errorf("at %v the least round trip is taken for %v, it is 80 ms and a packet", s.now, least)
		}
		s.run(s.now + pause)
	}
	if _, due := server.Next(); due {
		t.Error("idle, and something is due")
	}
}
