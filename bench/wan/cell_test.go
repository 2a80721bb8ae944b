package wan

import (
	"math"
	"strings"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestParseCell(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	plain := Cell{RTT: 200 * ms, Rate: 20, Loss: 5, Burst: 1, Queue: 100 * ms}
	with := func(change func(*Cell)) Cell { c := plain; change(&c); return c }
	for word, want := range map[string]Cell{
		"200/20/5":                  plain,
		"200/20/5/3/10/50":          with(func(c *Cell) { c.Burst, c.Jitter, c.Queue = 3, 10*ms, 50*ms }),
		"200/20/5/queue=0/burst=2":  with(func(c *Cell) { c.Burst, c.Queue = 2, 0 }),
		"200/20/5/2/jitter=7/up=.5": with(func(c *Cell) { c.Burst, c.Jitter, c.Up = 2, 7*ms, 0.5 }),
		"200/20/5/police=64":        with(func(c *Cell) { c.Police = 64 }),
		"200/20/5/swing=3":          with(func(c *Cell) { c.Swing = 3 * s }),
		"200/20/5/swing=3/low=4":    with(func(c *Cell) { c.Swing, c.Low = 3*s, 4 }),
		"200/20/5/half=1.5":         with(func(c *Cell) { c.Half = 1500 * ms }),
		"200/20/5/double=2":         with(func(c *Cell) { c.Double = 2 * s }),
	} {
		want.Name = word
		if got, err := ParseCell(word); err != nil || got != want {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
	}
	for _, word := range strings.Fields("1/2 1/2/x 1/2/60 1/2/3/0 1/2/3/1/1/1/1 -1/2/3 1/2/3/x=1 1/2/3/up=x 1/2/3/queue=5/2 rtt=1/2/3 1/2/loss=3 " +
		"1/2/3/half=1/double=1 1/0/3/swing=1 1/0/3/police=1 1/2/3/queue=20000 20000/1/1 1/2/3/up 1/2/3/= 1/2/3/low=1 1/2/3/swing=1/low=3 1/0/3/swing=1/low=1") {
		if c, err := ParseCell(word); err == nil {
			t.Errorf("%s: taken as %+v", word, c)
		}
	}
}

// The rate of a cell over time, and the time of its next change.
func TestShare(t *testing.T) {
	const s = time.Second
	for word, want := range map[string][]struct {
		at    time.Duration
		share float64
		next  time.Duration
	}{
		"1/9/0":               {{0, 1, 0}, {time.Hour, 1, 0}},
		"1/9/0/swing=3":       {{0, 1, 3 * s}, {3 * s, 1.0 / 3, 6 * s}, {7 * s, 1, 9 * s}},
		"1/8/0/swing=1/low=2": {{0, 1, s}, {s, 0.25, 2 * s}},
		"1/9/0/half=4":        {{0, 1, 4 * s}, {4 * s, 0.5, 0}},
		"1/9/0/double=4":      {{1, 1, 4 * s}, {5 * s, 2, 0}},
	} {
		c, err := ParseCell(word)
		must(t, err)
		for _, w := range want {
			if share, next := c.share(w.at); share != w.share || next != w.next {
				t.Errorf("%s after %v: %v until %v", word, w.at, share, next)
			}
		}
	}
}

// What a direction carries, in MB/s, over a time in which its rate may change.
func TestCarries(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		word     string
		up       bool
		from, to time.Duration
		want     float64
	}{
		{"1/80/0", false, 2 * s, 8 * s, 10},
		{"1/80/25", true, 2 * s, 8 * s, 7.5},
		{"1/80/0/up=8", true, 0, s, 1},
		{"1/80/0/up=8", false, 0, s, 10},
		{"1/24/0/swing=3", false, 2 * s, 8 * s, 2},
		{"1/64/0/swing=1/low=16", false, 0, 4 * s, 5},
		{"1/16/0/half=4", false, 2 * s, 8 * s, 4.0 / 3},
		{"1/16/0/double=2", false, 2 * s, 8 * s, 4},
		{"1/0/1", false, 0, s, 0},
	} {
		cell, err := ParseCell(c.word)
		must(t, err)
		if got := cell.Carries(c.up, c.from, c.to); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s from %v to %v carries %v MB/s, want %v", c.word, c.from, c.to, got, c.want)
		}
	}
}

func TestWays(t *testing.T) {
	c, err := ParseCell("100/80/2/up=8/queue=0/police=10")
	must(t, err)
	up, down := c.ways(0.5)
	if up.Rate != 500_000 || down.Rate != 5_000_000 || down.Loss != 0.02 || down.Delay != 50*time.Millisecond || down.Bucket != 10_000 {
		t.Errorf("up %+v, down %+v", up, down)
	}
	must(t, up.Validate())
	c, err = ParseCell("100/0/2")
	must(t, err)
	if up, down = c.ways(1); up.Rate != 0 || down.Rate != 0 || up.Validate() != nil {
		t.Errorf("no limit: %+v", up)
	}
}
