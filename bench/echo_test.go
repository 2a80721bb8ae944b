package main

import (
	"slices"
	"testing"
	"time"
)

// Those echoes count that come back at the moment or later. One that is still under way counts
// only if it is the slowest.
func TestEchoesSince(t *testing.T) {
	const ms = time.Millisecond
	from := time.Now()
	sent := func(at, took time.Duration) echo { return echo{at: from.Add(at), took: took} }
	open := func(at, took time.Duration) echo { return echo{at: from.Add(at), took: took, open: true} }
	for name, c := range map[string]struct {
		all  []echo
		want []time.Duration
	}{
		"none":                           {nil, nil},
		"before, across, at and after":   {[]echo{sent(-9*ms, 8*ms), sent(-5*ms, 6*ms), sent(-ms, ms), sent(ms, 3*ms)}, []time.Duration{6 * ms, ms, 3 * ms}},
		"the slowest is under way":       {[]echo{sent(ms, 2*ms), open(3*ms, 5*ms)}, []time.Duration{2 * ms, 5 * ms}},
		"a quicker one is under way":     {[]echo{sent(ms, 2*ms), open(3*ms, ms)}, []time.Duration{2 * ms}},
		"slower than before, not since":  {[]echo{sent(-9*ms, 8*ms), sent(ms, 2*ms), open(3*ms, 4*ms)}, []time.Duration{2 * ms, 4 * ms}},
		"the only one, sent before that": {[]echo{sent(-9*ms, 8*ms), open(-ms, 7*ms)}, []time.Duration{7 * ms}},
	} {
		if got := since(c.all, from); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The latest answer after a silence is compared with the usual one, and is never less.
func TestAboveRoundTrip(t *testing.T) {
	const ms = time.Millisecond
	second := []time.Duration{3 * ms, 9 * ms, 2 * ms}
	if got := aboveRoundTrip([]time.Duration{ms, 40 * ms, 2 * ms}, second); got != 37 {
		t.Errorf("%v ms, want 37", got)
	}
	if got := aboveRoundTrip([]time.Duration{ms, 2 * ms}, second); got != 0 {
		t.Errorf("%v ms, want 0", got)
	}
}
