package arq

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A machine that ran a sender only now and then, for the time slices of others, slowed a
// transfer down to the share of time that bursts of 5 ms made up for, to a quarter or less.
func TestTimersThatComeLate(t *testing.T) {
	for _, c := range []struct {
		mbit   float64
		rtt    time.Duration
		pauses time.Duration // mean length, with a millisecond in between
		from   time.Duration
		least  float64 // share of the link, in the third and fourth second with pauses
	}{
		{100, 20 * msec, 10 * msec, 0, 0.8},
		{100, 100 * msec, 20 * msec, 2 * time.Second, 0.7}, {20, 50 * msec, 20 * msec, 2 * time.Second, 0.7},
		{20, 50 * msec, 20 * msec, 0, 0.6},
	} {
		s := new(sim)
		w := wire{delay: c.rtt / 2, rate: c.mbit * 1e6 / 8, queue: 100 * msec, loss: 0.01}
		client, server := pair(s, w, w, 1)
		rnd := rand.New(rand.NewPCG(1, 3))
		var halt func()
		halt = func() {
			d := c.pauses/2 + time.Duration(rnd.Int64N(int64(c.pauses)))
			server.pause(d)
			s.after(d+msec, halt)
		}
		s.after(c.from+50*msec, halt)
		client.download()
		s.run(c.from + 2*time.Second)
		before := client.read
		s.run(c.from + 4*time.Second)
		share := float64(client.read-before) / 2 * cell{loss: 1}.ideal() / w.rate
		if share < c.least {
			t.Errorf("%v Mbit/s, %v, pauses of %v from %v on: %.2f of the link", c.mbit, c.rtt, c.pauses, c.from, share)
		}
	}
}

// What only tells a window does not overtake the acknowledgements that wait: with its una, the
// peer would no longer learn from them which transmissions arrived, and what is lost. After
// an outage it got one segment through for each timeout.
func TestWindowGoesBehindAcknowledgements(t *testing.T) {
	s := newScript(t)
	s.hear(segment{cmd: cmdPush, sn: 0, ts: 7, data: []byte("a")})
	s.hear(segment{cmd: cmdPush, sn: 101, data: []byte("z")}) // beyond the window of 100
	s.Vouch()
	s.hear(segment{cmd: cmdPush, sn: 101, data: []byte("z")})
	out := s.step(20 * msec)
	if len(out) < 2 || out[0].cmd != cmdAck || out[0].ts != 7 || count(out, cmdTell) == 0 {
		t.Errorf("it sends %+v, want the acknowledgement first", out)
	}
}

// A round trip that was measured wrongly does not stop a conversation for minutes.
func TestTimeoutIsBounded(t *testing.T) {
	r := newRTT()
	r.sample(40*time.Second, 33*time.Second)
	if got := r.timeout(); got > mostTimeout {
		t.Errorf("an answer may take %v", got)
	}
}
