package arq

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The probability that a group loses too much agrees with a simulation, even if losses come
// in bursts.
func TestTooMany(t *testing.T) {
	for _, c := range []struct {
		code      Code
		lost, run float64
	}{
		{Code{10, 3}, 0.05, 1}, {Code{10, 1}, 0.01, 1}, {Code{5, 2}, 0.1, 1}, {Code{10, 4}, 0.05, 3}, {Code{10, 6}, 0.03, 5},
	} {
		w := wire{loss: c.lost, burst: c.run, rnd: rand.New(rand.NewPCG(1, 2))}
		failed, groups := 0, 200_000
		for range groups {
			n := 0
			for range c.code.Data + c.code.Parity {
				if w.drop() {
					n++
				}
			}
			if n > c.code.Parity {
				failed++
			}
		}
		got, want := tooMany(c.code, c.lost, c.run), float64(failed)/float64(groups)
		if got < want*0.8 || got > want*2+1e-4 {
			t.Errorf("%v at %v in runs of %v: %.5f, simulated %.5f", c.code, c.lost, c.run, got, want)
		}
	}
	for _, lost := range []float64{0, 1e-9, 1} {
		if p := tooMany(Code{10, 3}, lost, 1); math.IsNaN(p) || p < 0 || p > 1 {
			t.Errorf("at %v it is %v", lost, p)
		}
	}
}

func TestParityFollowsTheLink(t *testing.T) {
	for _, c := range []struct {
		name      string
		lost, run float64 // of 1000
		rate      float64
		trip      time.Duration
		data      int
		low, high int // of the parity
	}{
		{"no loss", 0, 0, 100, 200 * msec, 0, 0, 0},
		{"little", 3, 3, 100, 200 * msec, 0, 0, 0},
		{"1 %", 10, 10, 100, 200 * msec, 10, 2, 2},
		{"5 %", 50, 50, 100, 200 * msec, 10, 4, 4},
		{"20 %", 200, 200, 100, 200 * msec, 10, mostParity, mostParity},
		{"in runs", 50, 10, 300, 200 * msec, 10, mostParity, mostParity},
		{"a short round trip", 30, 30, 100, 60 * msec, 5, 2, 3},
		{"so short that retransmission is as good", 30, 30, 100, 40 * msec, 0, 0, 0},
		{"slow", 30, 30, 20, 200 * msec, 0, 0, 0},
		{"no rate is known", 30, 30, 0, 200 * msec, 0, 0, 0},
	} {
		p := parity{misses: misses{seen: 1000, missed: c.lost, runs: c.run}, rate: c.rate}
		if code := p.choose(c.trip); code.Data != c.data || code.Parity < c.low || code.Parity > c.high {
			t.Errorf("%s: %v, want %d with %d to %d", c.name, code, c.data, c.low, c.high)
		}
	}
}

// A code is kept for a while, because a receiver has to discover each one.
func TestCodeIsKept(t *testing.T) {
	r := rtt{smooth: 200 * msec}
	p := parity{misses: misses{seen: 1000, missed: 50, runs: 50}}
	now := time.Second
	pass := func(d time.Duration) Code {
		now += d
		p.packets = int(400 * d.Seconds())
		p.decide(now, &r)
		return p.code
	}
	if c := pass(time.Second); c != (Code{10, 4}) {
		t.Fatalf("the first code is %v", c)
	}
	p.misses = misses{seen: 1000, missed: 100, runs: 100}
	if c := pass(time.Second); c != (Code{10, 4}) {
		t.Errorf("after a second it is %v", c)
	}
	if c := pass(keepCode); c != (Code{10, 6}) {
		t.Errorf("after %v it is %v", keepCode, c)
	}
	p.misses = misses{seen: 1000}
	if c := pass(keepCode + time.Second); c != (Code{}) {
		t.Errorf("without loss it is %v", c)
	}
	if p.on(now) {
		t.Error("no code is on")
	}
}

// Loss is counted whether a copy, parity or nothing replaces it.
func TestMisses(t *testing.T) {
	var m misses
	if s := m.share(); s < 0.01 || s > 0.03 || m.run() != 1 {
		t.Errorf("nothing is known, and the share is %v in runs of %v", s, m.run())
	}
	for tx := range uint64(4000) {
		m.note(tx, tx%40 < 4)
	}
	if s := m.share(); s < 0.09 || s > 0.11 || m.run() < 3.5 || m.run() > 4.5 {
		t.Errorf("share %v in runs of %v", s, m.run())
	}
}
