package report

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   Series
		want Spread
	}{
		{Series{3, 1, 2}, Spread{2, 1, 3}},
		{Series{4, 1, 2, 3}, Spread{2.5, 1, 4}},
		{Series{none, 5, none}, Spread{5, 5, 5}},
	} {
		if got := c.in.spread(); got != c.want {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
	if !(Series{none}).spread().Median.missing() {
		t.Error("no figure has a median")
	}
}

func TestRatio(t *testing.T) {
	// The median is the ratio of the medians; the extremes are ratios of single rounds.
	got := Series{10, 30, 20}.over(Series{10, 10, 5})
	if want := (Spread{2, 1, 4}); got == nil || *got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (Series{1}).over(Series{0}); got != nil {
		t.Errorf("a ratio to nothing: %v", got)
	}
	if got := (Series{1, none}).over(Series{none, 1}); got != nil {
		t.Errorf("a ratio without a common round: %v", got)
	}
}

func TestNumberJSON(t *testing.T) {
	text, err := json.Marshal(Series{1.0 / 3, 123456789, none, 0, Number(math.Inf(1))})
	must(t, err)
	if string(text) != "[0.33333,123456789,null,0,null]" {
		t.Errorf("%s", text)
	}
	var back Series
	must(t, json.Unmarshal(text, &back))
	if back[1] != 123456789 || !back[2].missing() {
		t.Errorf("%v", back)
	}
}

func TestConcludeAndPrint(t *testing.T) {
	r := Result{Case: "down1/x", About: "something", Columns: []Column{
		{Name: Ours, Against: Peer, Failures: []string{"first line\nsecond"}},
		{Name: Peer, Note: "a note"},
		{Name: "absent", Note: "not there"},
	}}
	r.Columns[0].Add(1, "speed", "MB/s", 30) // round 0 failed
	r.Columns[1].Add(0, "speed", "MB/s", 5)
	r.Columns[1].Add(0, "more", "", 1.5)
	r.Columns[1].Add(1, "speed", "MB/s", 10)
	r.Conclude(2)
	m := r.Column(Ours).Metric("speed")
	if len(m.Rounds) != 2 || !m.Rounds[0].missing() || m.Ratio == nil || m.Ratio.Max != 3 {
		t.Errorf("%+v", m)
	}
	if !r.Failed() || len(r.Column(Peer).Metric("more").Rounds) != 2 {
		t.Error("a failed round went unseen")
	}
	table := r.Table()
	for _, want := range []string{"30", "7.50 (5-10)", "1.50", "a note", "absent: not there", "ours FAILED: first line\n    second"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}
