package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"kcptun/bench/report"
)

// transfer moves n bytes in one direction through a tunnel.
type transfer func(ctx context.Context, l load, n int64) error

func down(ctx context.Context, l load, n int64) error {
	return l.pull(ctx, n, new(atomic.Int64))
}

func up(ctx context.Context, l load, n int64) error {
	return l.push(ctx, n, new(atomic.Int64))
}

// inStreams splits a transfer over several concurrent streams.
func inStreams(streams int, move transfer) transfer {
	return func(ctx context.Context, l load, n int64) error {
		return parallel(streams, streams, func(int) error { return move(ctx, l, n/int64(streams)) })
	}
}

// bulk measures a transfer: its speed, its cost, and the peak memory of both ends.
func bulk(move transfer) measurement {
	return func(ctx context.Context, t *tunnel, s sizes) ([]figure, error) {
		if err := move(ctx, t.load, s.warm); err != nil {
			return nil, err
		}
		before, err := t.usage()
		if err != nil {
			return nil, err
		}
		if err := move(ctx, t.load, s.bulk); err != nil {
			return nil, err
		}
		after, err := t.usage()
		if err != nil {
			return nil, err
		}
		peak, err := t.peak()
		gb := float64(s.bulk) / 1e9
		figures := []figure{{report.Throughput, "MB/s", float64(s.bulk) / 1e6 / after.at.Sub(before.at).Seconds()}}
		figures = append(figures, costs(after.spent(before), "s/GB", func(d time.Duration) float64 { return d.Seconds() / gb })...)
		return append(figures, perEnd("peak rss", "MB", peak)...), err
	}
}

// parallel calls f for 0 to n-1 with this many workers, and returns the first error. After
// an error it makes no new calls.
func parallel(n, workers int, f func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	results := make(chan error, workers)
	for range workers {
		go func() {
			var err error
			for err == nil && !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					break
				}
				err = f(i)
			}
			if err != nil {
				failed.Store(true)
			}
			results <- err
		}()
	}
	var errs []error
	for range workers {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}
