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

// With a code of the user's, all data is in groups the first time, thin or bulk, once the peer
// understands that. Copies, retransmissions and acknowledgements are not. The pace counts what each takes.
func TestGivenCode(t *testing.T) {
	for name, n := range map[string]int{"thin": 100, "bulk": 8000} {
		t.Run(name, func(t *testing.T) {
			g := givenCode{t: t, Engine: New(Config{Conv: 3, MTU: 1300, Overhead: 48, Send: 1000, Receive: 100, Code: Code{10, 3}})}
			hello := segment{conv: 3, cmd: cmdPush, wnd: 100, data: []byte("a")}
			for now := time.Second; now < 5*time.Second; now += msec {
				if now%(100*msec) == 0 {
					if err := g.Input(now, hello.appendTo(nil)); err != nil {
						t.Fatal(err)
					}
				}
				if now == 1100*msec {
					if g.next == 0 {
						t.Error("nothing was sent without a code")
					}
					g.Protect()
				}
				if now < 2*time.Second && g.Room() >= n {
					g.Write(make([]byte, n))
				}
				g.output(now)
			}
			if g.again == 0 || g.bare == 0 {
				t.Errorf("%d segments were sent again, and %d packets were without data", g.again, g.bare)
			}
		})
	}
}

type givenCode struct {
	*Engine
	t     *testing.T
	next  uint32 // the first segment that was not sent yet
	again int    // segments that were sent again
	bare  int    // packets without data
}

// output checks what is sent, and what it costs.
func (g *givenCode) output(now time.Duration) {
	g.fill(now)
	before, wire := g.tokens, 0
	emit(g.Engine, now, func(p []byte, code Code) {
		var fresh, data int
		for s, rest, ok := parse(p); ok; s, rest, ok = parse(rest) {
			if s.cmd != cmdPush {
				continue
			}
			data++
			wire += headerBytes + len(s.data) + 48
			if s.sn == g.next {
				fresh, g.next = fresh+1, g.next+1
				if g.protect {
					wire += CodeHeader + 1348*3/10
				}
			}
		}
		if coded := code == (Code{10, 3}); coded != (g.protect && fresh > 0) || !coded && code != (Code{}) {
			g.t.Fatalf("a packet with %d new segments has code %v", fresh, code)
		}
		g.again += data - fresh
		if data == 0 {
			g.bare++
		}
	})
	if spent := before - g.tokens; int(spent+0.5) != wire {
		g.t.Fatalf("the pace counts %v bytes for %d", spent, wire)
	}
}
