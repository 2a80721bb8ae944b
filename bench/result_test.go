package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   series
		want spread
	}{
		{series{3, 1, 2}, spread{2, 1, 3}},
		{series{4, 1, 2, 3}, spread{2.5, 1, 4}},
		{series{none, 5, none}, spread{5, 5, 5}},
	} {
		if got := c.in.spread(); got != c.want {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
	if !(series{none}).spread().Median.missing() {
		t.Error("no figure has a median")
	}
}

func TestRatio(t *testing.T) {
	// The median is that of the medians, the extremes are of single rounds.
	got := series{10, 30, 20}.over(series{10, 10, 5})
	if want := (spread{2, 1, 4}); got == nil || *got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (series{1}).over(series{0}); got != nil {
		t.Errorf("a ratio to nothing: %v", got)
	}
	if got := (series{1, none}).over(series{none, 1}); got != nil {
		t.Errorf("a ratio without a common round: %v", got)
	}
}

func TestNumberJSON(t *testing.T) {
	text, err := json.Marshal(series{1.0 / 3, 123456789, none, 0, number(math.Inf(1))})
	must(t, err)
	if string(text) != "[0.33333,123456789,null,0,null]" {
		t.Errorf("%s", text)
	}
	var back series
	must(t, json.Unmarshal(text, &back))
	if back[1] != 123456789 || !back[2].missing() {
		t.Errorf("%v", back)
	}
}

func TestConcludeAndPrint(t *testing.T) {
	r := result{Case: "down1/x", About: "something", Columns: []column{
		{Name: oursName, Against: peerName, Failures: []string{"first line\nsecond"}},
		{Name: peerName, Note: "a note"},
		{Name: "absent", Note: "not there"},
	}}
	r.Columns[0].add(1, []figure{{"speed", "MB/s", 30}}) // round 0 failed
	r.Columns[1].add(0, []figure{{"speed", "MB/s", 5}, {"more", "", 1.5}})
	r.Columns[1].add(1, []figure{{"speed", "MB/s", 10}})
	r.conclude(2)
	m := r.column(oursName).metric("speed")
	if len(m.Rounds) != 2 || !m.Rounds[0].missing() || m.Ratio == nil || m.Ratio.Max != 3 {
		t.Errorf("%+v", m)
	}
	if !r.failed() || len(r.column(peerName).metric("more").Rounds) != 2 {
		t.Error("a failed round went unseen")
	}
	table := r.table()
	for _, want := range []string{"30", "7.50 (5-10)", "1.50", "a note", "absent: not there", "ours FAILED: first line\n    second"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}
