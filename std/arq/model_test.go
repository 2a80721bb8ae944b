package arq

import (
	"math"
	"testing"
	"time"
)

// A queue that had overflowed was probed as if it had room. Each probe dropped packets of
// ours and of everyone else on the link.
func TestModelKeepsBelowTheBrim(t *testing.T) {
	r := newRTT()
	r.sample(time.Second, 50*msec)
	m := newModel(&r)
	m.bw, m.losses.warm = 20e6/8, true
	before, target := m.longQueue(), m.targetQueue()
	m.losses.fates(draining, 200, 0)
	m.losses.fates(cruising, 180, 20)
	m.losses.round(msec, cruising)
	m.overflow(2*time.Second, 10*msec)
	if long := m.longQueue(); long >= 10*msec || long >= before || m.targetQueue() >= target {
		t.Errorf("a queue of 10 ms has overflowed, and %v is long, the target is %v; before %v, %v", long, m.targetQueue(), before, target)
	}
	m.losses = losses{warm: true}
	m.overflow(2*time.Second+leastFor+msec, 0)
	if m.longQueue() != before {
		t.Errorf("it is never forgotten: %v", m.longQueue())
	}
}

// A rate that fell by more than half is probed for in large steps, but only for a while.
func TestModelLooksForALostRate(t *testing.T) {
	for _, c := range []struct {
		name  string
		rate  float64 // of what it was
		later time.Duration
		large bool
	}{
		{"a third", 0.33, time.Second, true},
		{"a third, long ago", 0.33, 2 * leastFor, false},
		{"most of it", 0.6, time.Second, false},
	} {
		r := newRTT()
		r.sample(time.Second, 50*msec)
		m := newModel(&r)
		m.bw = 1e6
		s := sample{now: time.Hour}
		m.emptied = s.now - 200*msec
		m.collapse(s, c.rate*1e6)
		s.now += c.later
		m.enter(probing, s)
		if large := m.gain > 1.2; large != c.large {
			t.Errorf("%s: %.2f times the rate", c.name, m.gain)
		}
	}
}

// Beside a flow of BBR, which fills the queue in waves, the rate was cut with each wave and
// ended at a twentieth of the link. A third stays, unless the link itself got slower.
func TestModelKeepsAShare(t *testing.T) {
	for _, c := range []struct {
		name    string
		emptied time.Duration // how long ago the queue was empty
		flooded bool
		later   time.Duration
		want    float64
	}{
		{"waves", 500 * msec, false, time.Second, 0.3e6},
		{"the queue stays full", 3 * time.Second, false, time.Second, 0.1e6},
		{"less than half arrives", 500 * msec, true, time.Second, 0.1e6},
		{"long ago", 300 * msec, false, 2 * leastFor, 0.2e6},
	} {
		r := newRTT()
		r.sample(time.Second, 50*msec)
		m := newModel(&r)
		m.bw = 0.9e6
		s := sample{now: time.Hour}
		m.emptied = s.now - 200*msec
		m.collapse(s, 0.6e6)
		s.now += c.later
		m.emptied, m.flooded = s.now-c.emptied, c.flooded
		m.collapse(s, 0.1e6)
		if math.Abs(m.bw-c.want) > 1 {
			t.Errorf("%s: the rate is %.0f, want %.0f", c.name, m.bw, c.want)
		}
	}
}

// A flow that starts beside us fills the queue slowly, a link that got slower at once. What
// the rate was cut to while another flow searched for its rate, that flow kept.
func TestModelKeepsHalfBesideAStart(t *testing.T) {
	for _, c := range []struct {
		name    string
		grew    time.Duration // for how long the queue had grown at the first cut
		flooded int           // rounds in a row
		later   time.Duration
		want    float64
	}{
		{"it grew slowly", time.Second, 0, time.Second, 0.45e6},
		{"it grew at once", 300 * msec, 0, time.Second, 0.1e6},
		{"less than half arrives for a round", time.Second, 1, time.Second, 0.45e6},
		{"less than half arrives for long", time.Second, 2, time.Second, 0.1e6},
		{"a while later", time.Second, 0, 3 * time.Second, 0.1e6},
	} {
		r := newRTT()
		r.sample(time.Second, 100*msec)
		m := newModel(&r)
		m.bw = 0.9e6
		s := sample{now: time.Hour}
		m.emptied = s.now - c.grew
		m.collapse(s, 0.6e6)
		s.now += c.later
		flood(&m, s.now)
		for range c.flooded {
			m.noteFlood()
		}
		m.flooded = true // of others the rate is cut as far as it fell
		m.collapse(s, 0.1e6)
		if math.Abs(m.bw-c.want) > 1 {
			t.Errorf("%s: the rate is %.0f, want %.0f", c.name, m.bw, c.want)
		}
	}
}

// flood lets a third of what was sent arrive.
func flood(m *model, now time.Duration) {
	for at := now - 500*msec; at <= now; at += 10 * msec {
		sent := int64(at / msec * 1000)
		m.track.add(sample{now: at, sent: sent, delivered: sent / 3}, m.rtt)
	}
}

// When a program did not run for some hundred milliseconds while it drained a queue, it took
// that nothing had arrived meanwhile for a link that had become slower, and sent at a third
// of its rate for a second.
func TestPauseIsNoSlowerLink(t *testing.T) {
	for at := 3000 * msec; at < 4400*msec; at += 50 * msec {
		s := new(sim)
		w := wire{delay: 50 * msec, rate: 20e6 / 8, queue: 100 * msec, loss: 0.01}
		client, server := pair(s, w, w, 1)
		client.download()
		s.run(at)
		before := server.mdl.bw
		server.pause(300 * msec)
		for range 10 {
			s.run(s.now + 100*msec)
			if server.mdl.bw < 0.7*before {
				t.Errorf("a pause at %v: the rate is %.1f MB/s, before %.1f", at, server.mdl.bw/1e6, before/1e6)
				break
			}
		}
	}
}
