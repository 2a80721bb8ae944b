package arq

import (
	"slices"
	"testing"
	"time"
)

// lossCase is ten segments sent a millisecond apart from 1 s on, over a round trip of
// 100 ms.
type lossCase struct {
	first uint32 // segment
	s     sender
	l     loss
	r     rtt
	lost  []uint32 // by number from first on
}

func newLossCase() *lossCase { return newLossCaseFrom(0, 0) }

// newLossCaseFrom begins with a sequence number, and with a clock value after the first second.
func newLossCaseFrom(first, clock uint32) *lossCase {
	c := &lossCase{first: first, s: newTestSender(first, 10), r: newRTT()}
	c.s.clockBase = clock - 1000
	c.r.sample(0, 100*msec)
	c.l.update(&c.r)
	c.l.progress(time.Second)
	sendAll(&c.s, time.Second)
	return c
}

func (c *lossCase) acknowledge(sns ...uint32) {
	for _, sn := range sns {
		sn += c.first
		if _, _, late := c.s.acknowledge(echo{sn, c.s.flight(sn).ts}); late > 0 {
			c.l.learn(late, &c.r)
		}
	}
}

func (c *lossCase) detect(now time.Duration) (again time.Duration) {
	again = c.l.detect(&c.s, &c.r, now, func(f *flight) {})
	c.lost = nil
	for {
		sn, _, ok := c.s.nextLost()
		if !ok {
			return again
		}
		c.lost = append(c.lost, sn-c.first)
	}
}

func TestLoss(t *testing.T) {
	const now = 1101 * msec // the first acknowledgements come
	for _, c := range []struct {
		name    string
		arrived []uint32
		now     time.Duration
		lost    []uint32
		again   bool // it is to be looked at again
	}{
		{"nothing has come", nil, now, nil, false},
		{"in order", []uint32{0, 1, 2}, now, nil, false},
		{"overtaken by two", []uint32{1, 2}, now, nil, true},
		{"overtaken by three, but not for long", []uint32{1, 2, 3}, now, nil, true},
		{"overtaken by many, for long", []uint32{1, 2, 3, 7, 8, 9}, now, []uint32{0}, true},
		{"two holes", []uint32{0, 2, 4, 9}, now, []uint32{1}, true},
		{"the tail", []uint32{0, 1, 2, 3, 4, 5, 6, 7}, 2 * time.Second, nil, false},
		{"few came after it, but long ago", []uint32{1}, 1200 * msec, []uint32{0}, false},
	} {
		for name, l := range map[string]*lossCase{
			"from 0 on": newLossCase(), "about the wrap of numbers": newLossCaseFrom(1<<32-4, 7), "about the wrap of the clock": newLossCaseFrom(9, 1<<32-5),
		} {
			l.acknowledge(c.arrived...)
			again := l.detect(c.now)
			if !slices.Equal(l.lost, c.lost) || again > 0 != c.again {
				t.Errorf("%s, %s: lost %v, again at %v, want %v, %v", c.name, name, l.lost, again, c.lost, c.again)
			}
		}
	}
}

// A link that reorders teaches patience, and forgets it.
func TestLossLearnsReordering(t *testing.T) {
	c := newLossCase()
	before := c.l.reo
	c.acknowledge(9, 0) // 9 ms late, and here after all
	if c.l.reo <= 9*msec {
		t.Errorf("what is late by 9 ms is lost after %v", c.l.reo)
	}
	if c.detect(1110 * msec); len(c.lost) > 0 {
		t.Errorf("%v are lost, though others were as late", c.lost)
	}
	for range 500 {
		c.l.decay(&c.r)
	}
	if c.l.reo > before+msec {
		t.Errorf("500 rounds later it is %v, and was %v", c.l.reo, before)
	}
}

// Where nothing comes, the oldest and the newest are sent again, and then the same with
// twice the patience, and then everything.
func TestLossProbes(t *testing.T) {
	c := newLossCase()
	at := c.l.probe(&c.s, &c.r)
	if at <= 1100*msec || at > 1600*msec {
		t.Errorf("the first probe is due at %v", at)
	}
	for i, want := range [][]uint32{{0, 9}, {1, 8}, {2, 3, 4, 5, 6, 7}} {
		at := c.l.probe(&c.s, &c.r)
		c.l.fire(&c.s, at, func(*flight) {})
		if c.detect(at); !slices.Equal(c.lost, want) {
			t.Errorf("probe %d: %v, want %v", i, c.lost, want)
		}
		if next := c.l.probe(&c.s, &c.r); next > 0 && next-at < c.l.timeout(&c.r)/2 {
			t.Errorf("the next probe is due %v later", next-at)
		}
	}
	if at := c.l.probe(&c.s, &c.r); at != 0 {
		t.Errorf("nothing is in flight, and a probe is due at %v", at)
	}
}

// What was sent again and is lost again is noticed as well.
func TestLossOfRetransmission(t *testing.T) {
	c := newLossCase()
	c.acknowledge(1, 2, 3, 9)
	c.detect(1110 * msec)
	f := c.s.flight(0)
	f.ts = c.s.clock(f, 1110*msec)
	c.s.sent(0, f, 1110*msec, 100)
	c.s.write(make([]byte, 100))
	sendAll(&c.s, 1111*msec)
	c.acknowledge(15, 16, 17, 18)
	if c.detect(1215 * msec); !slices.Contains(c.lost, 0) {
		t.Errorf("%v are lost, and 0 again is not", c.lost)
	}
}

// A network that was gone for 40 s is used again soon after it is back: either end gives a peer
// up that was silent for 45 s.
func TestNetworkIsBack(t *testing.T) {
	for _, trip := range []time.Duration{20 * msec, 50 * msec, 100 * msec, 200 * msec, 300 * msec, 600 * msec} {
		s := new(sim)
		w := wire{delay: trip / 2, rate: 20e6 / 8, queue: 100 * msec}
		client, server := pair(s, w, w, 1)
		client.bulk = true
		client.poll()
		server.write(64)
		server.poll()
		const goes, back = 5 * time.Second, 45 * time.Second
		gone := func([]byte) bool { return s.now >= goes && s.now < back }
		client.lose, server.lose = gone, gone
		s.run(goes + time.Second)
		read, resent, sent := server.read, client.stats.Resent, client.sent
		s.run(back)
		if more := client.sent - sent; more > sent/2 {
			t.Errorf("%v: %d bytes are sent while nothing arrives, %d were before", trip, more, sent)
		}
		s.run(back + lastProbe + trip + 500*msec)
		if server.read == read {
			t.Errorf("%v: nothing has come %v after the network is back, %d are sent again", trip, s.now-back, client.stats.Resent-resent)
		}
	}
}

// After a long silence, new data of the peer shows that the network is back. Then the next
// probe is due at once, and not a second time before an answer can have come.
func TestProbeIsHurried(t *testing.T) {
	c := newLossCase()
	now := time.Second
	probe := func() {
		c.l.fire(&c.s, now, func(*flight) {})
		for {
			sn, f, ok := c.s.nextLost()
			if !ok {
				break
			}
			c.s.sent(sn, f, now, 100)
		}
	}
	for range 3 {
		now = c.l.probe(&c.s, &c.r)
		probe()
	}
	once := c.r.timeout()
	c.l.hurry(now+once/2, &c.r)
	if at := c.l.probe(&c.s, &c.r); at <= now+once {
		t.Errorf("a probe is due %v after the last one", at-now)
	}
	now += once + msec
	if c.l.hurry(now, &c.r); c.l.probe(&c.s, &c.r) > now {
		t.Error("the network is back, and no probe is due")
	}
	probe()
	if c.l.hurry(now+msec, &c.r); c.l.probe(&c.s, &c.r) <= now+once {
		t.Error("another probe is due before an answer can have come")
	}
}

// Acknowledgements that are lost leave holes in what the sender knows, and una closes them:
// nothing is sent again. Before una, what they told of counts as overtaken.
func TestLostAcknowledgements(t *testing.T) {
	for _, from := range []uint32{0, 1<<32 - 4} {
		c := newLossCaseFrom(from, from)
		c.acknowledge(0, 1, 9)
		c.s.advance(from + 10)
		if c.detect(1200 * msec); len(c.lost) > 0 || c.s.outstanding != 0 || c.l.probe(&c.s, &c.r) != 0 {
			t.Errorf("una covers all, and %v are lost, %d bytes in flight", c.lost, c.s.outstanding)
		}
		c = newLossCaseFrom(from, from)
		c.acknowledge(0, 1, 9)
		c.s.advance(from + 2)
		if c.detect(1110 * msec); !slices.Equal(c.lost, []uint32{2, 3}) {
			t.Errorf("%v are lost, want those that were sent so long ago", c.lost)
		}
	}
}
