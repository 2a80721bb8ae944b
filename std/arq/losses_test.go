package arq

import (
	"testing"
	"time"
)

// fates records the fate of packets sent in a phase.
func (l *losses) fates(p phase, ok, lost int) {
	for range ok {
		l.note(p, 1, true)
	}
	for range lost {
		l.note(p, 1, false)
	}
}

// The loss that a start causes by overfilling the link, which takes a round trip to notice,
// was attributed to the link: the pace was too high for seconds.
func TestLossesOfAnOverfullStartAreNotTheLinks(t *testing.T) {
	var l losses
	for range 8 {
		l.fates(starting, 99, 1)
		l.round(25*msec, starting)
	}
	for range 3 {
		l.fates(starting, 200, 100)
		l.round(25*msec, starting)
	}
	if l.all < 0.15 || l.own > 0.015 {
		t.Errorf("%.3f are lost, and %.3f by the link", l.all, l.own)
	}
	l.warmUp(2)
	l.round(25*msec, draining)
	if l.own > 0.015 {
		t.Errorf("later %.3f", l.own)
	}
}

// We blame ourselves only for more loss than chance explains with few packets.
func TestLossesOfOurs(t *testing.T) {
	for _, c := range []struct {
		name                     string
		drained, lost, all, gone int // packets while less is sent than the link carries, and in all
		ours                     bool
	}{
		{"none", 500, 0, 2000, 0, false},
		{"a policer", 500, 0, 2000, 100, true},
		{"a tenth, known from few packets", 150, 10, 1800, 205, false},
		{"a tenth, and as much of ours", 450, 50, 1600, 400, true},
	} {
		var l losses
		l.warm = true
		l.fates(draining, c.drained, c.lost)
		l.fates(cruising, c.all-c.drained, c.gone-c.lost)
		l.round(time.Microsecond, cruising)
		if ours := l.ours() > 0.02; ours != c.ours {
			t.Errorf("%s: %v, %.3f of %.3f", c.name, ours, l.ours(), l.all)
		}
	}
}

// The start finds the rate within a second, ends before the queue of a link is full, and
// soon on a link that has no queue.
func TestStartDropsLittle(t *testing.T) {
	for _, c := range []struct {
		queue time.Duration
		loss  float64
		most  int
		least float64 // MB/s, until second 2
	}{
		{10 * msec, 0, 1000, 8.8}, {10 * msec, 1, 1000, 8}, {100 * msec, 0, 100, 9.2}, {100 * msec, 5, 100, 7.5},
	} {
		const runs = 4
		l := cell{rtt: 100 * msec, mbit: 100, loss: c.loss, queue: c.queue}
		drops, rate := 0, 0.0
		for seed := range uint64(runs) {
			o := l.run(seed+1, 2100*msec)
			drops += o.startDrops / runs
			rate += o.whole / runs
		}
		if drops > c.most || rate < c.least {
			t.Errorf("queue %v, loss %v %%: %d packets were dropped, %.1f MB/s", c.queue, c.loss, drops, rate)
		}
	}
}
