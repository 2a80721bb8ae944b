package main

import (
	"context"
	"slices"
	"time"

	"kcptun/bench/report"
	"kcptun/e2e/lab"
)

// openers is how many streams are opened at a time. The server's queue for new sessions has
// room for 128.
const openers = 16

// idleSessions measures sessions with one idle stream each. The client has that many
// sessions, and uses them in turn.
func idleSessions(sessions int) measurement {
	return func(ctx context.Context, t *tunnel, s sizes) ([]figure, error) {
		return idling(ctx, t, s, sessions, "session")
	}
}

// idleStreams measures idle streams of one session.
func idleStreams(ctx context.Context, t *tunnel, s sizes) ([]figure, error) {
	return idling(ctx, t, s, s.idle, "stream")
}

func idling(ctx context.Context, t *tunnel, s sizes, count int, of string) ([]figure, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // closes the streams
	empty, err := t.resident()
	if err != nil {
		return nil, err
	}
	streams, err := t.openIdle(ctx, count)
	if err != nil {
		return nil, err
	}
	_ = lab.Sleep(ctx, s.settle)
	spent, err := t.over(ctx, s.window)
	if err != nil {
		return nil, err
	}
	full, err := t.resident()
	if err != nil {
		return nil, err
	}
	streams = streams[:min(len(streams), wakeCount)]
	first, err := pingEach(streams)
	if err != nil {
		return nil, err
	}
	second, err := pingEach(streams)
	if err != nil {
		return nil, err
	}
	figures := perEnd("rss", "MB", full)
	if count > 1 {
		each := func(i int) float64 { return (full[i] - empty[i]) * 1e3 / float64(count) }
		figures = append(figures, perEnd("rss per "+of, "kB", [2]float64{each(0), each(1)})...)
	}
	figures = append(figures, perEnd("cpu", "ms/s", spent)...)
	if count > 1 {
		each := func(i int) float64 { return spent[i] * 1e3 / float64(count) }
		figures = append(figures, perEnd("cpu per "+of, "us/s", [2]float64{each(0), each(1)})...)
	}
	figures = append(figures, percentiles("first echo after it ", first)...)
	return append(figures, figure{report.LatestAnswer, "ms", aboveRoundTrip(first, second)}), nil
}

// openIdle opens streams that stay open until ctx ends.
func (t *tunnel) openIdle(ctx context.Context, count int) ([]*lab.Pinger, error) {
	streams := make([]*lab.Pinger, count)
	err := parallel(count, openers, func(i int) (err error) {
		streams[i], err = t.idle(ctx)
		return err
	})
	return streams, err
}

// over is the CPU time of each end during an idle period, in ms per second.
func (t *tunnel) over(ctx context.Context, window time.Duration) (rate [2]float64, err error) {
	before, err := t.usage()
	if err != nil {
		return rate, err
	}
	_ = lab.Sleep(ctx, window)
	after, err := t.usage()
	spent, took := after.spent(before), after.at.Sub(before.at).Seconds()
	return [2]float64{milliseconds(spent[0]) / took, milliseconds(spent[1]) / took}, err
}

// wakeCount limits how many streams send an echo after idling.
const wakeCount = 100

// pingEach sends one message on each stream, one after the other, and returns the round-trip
// times.
func pingEach(streams []*lab.Pinger) ([]time.Duration, error) {
	var times []time.Duration
	for _, p := range streams {
		took, err := p.Ping()
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	return times, nil
}

// aboveRoundTrip is by how many milliseconds the slowest of the first echoes after a silence
// exceeds a round trip, for which the median of the second ones is taken. An answer that has
// to wait for the next tick of a timer shows here.
func aboveRoundTrip(first, second []time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(second))
	return max(0, milliseconds(slices.Max(first)-sorted[len(sorted)/2]))
}
