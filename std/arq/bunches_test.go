package arq

import (
	"testing"
	"time"
)

// A path that hands on in bunches, as a radio or a busy machine does, has a pause in each
// round trip. The start excused all of them, never ended, and sent at several times the rate
// of the link for good.
func TestBunchesEndTheStart(t *testing.T) {
	for _, c := range []struct {
		mbit     float64
		rtt, gap time.Duration
	}{{20, 50 * msec, 60 * msec}, {20, 50 * msec, 80 * msec}, {100, 100 * msec, 60 * msec}} {
		s := new(sim)
		w := wire{delay: c.rtt / 2, rate: c.mbit * 1e6 / 8, queue: 100 * msec}
		client, server := pair(s, w, w, 1)
		var halt func()
		halt = func() {
			client.pause(c.gap)
			s.after(c.gap+2*msec, halt)
		}
		s.after(200*msec, halt)
		client.download()
		s.run(4 * time.Second)
		sent, drops := server.out.carried, server.out.drops
		s.run(6 * time.Second)
		sent, drops = server.out.carried-sent, server.out.drops-drops
		if drops*4 > sent || sent == 0 {
			t.Errorf("%v Mbit/s, %v, gaps of %v: %d packets passed and %d were dropped", c.mbit, c.rtt, c.gap, sent, drops)
		}
	}
}

// A link with a deep queue that became ten times slower was flooded with a third of its former
// rate for seconds, because whether less than half arrives was that of the round before.
func TestMuchSlowerLink(t *testing.T) {
	s := new(sim)
	w := wire{delay: 25 * msec, rate: 1, queue: 500 * msec, change: func(now time.Duration) float64 {
		if now < 4*time.Second {
			return 100e6 / 8
		}
		return 10e6 / 8
	}}
	client, _ := pair(s, w, w, 1)
	client.download()
	s.run(5 * time.Second)
	before := client.read
	s.run(7 * time.Second)
	if share := float64(client.read-before) / 2 / (10e6 / 8); share < 0.8 {
		t.Errorf("%.2f of the link", share)
	}
}
