package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"kcptun/e2e/lab"
)

// echoAlone measures small messages in an otherwise idle tunnel.
func echoAlone(ctx context.Context, t *tunnel, s sizes) ([]figure, error) {
	times, err := t.echoes(ctx, s.echoes)
	if err != nil {
		return nil, err
	}
	return percentiles("", times), nil
}

// echoBusy measures small messages beside a bulk stream of the same session.
func echoBusy(ctx context.Context, t *tunnel, s sizes) ([]figure, error) {
	var moved atomic.Int64
	stop := background(ctx, func(ctx context.Context) error { return t.pull(ctx, endless, &moved) })
	_ = lab.Sleep(ctx, s.busyLead)
	begin, before := time.Now(), moved.Load()
	limited, cancel := context.WithTimeout(ctx, s.busyLimit)
	times, err := t.echoes(limited, s.busyEchoes)
	cancel()
	rate := float64(moved.Load()-before) / 1e6 / time.Since(begin).Seconds()
	if err := errors.Join(err, stop()); err != nil {
		return nil, err
	}
	return append(percentiles("", times), figure{"bulk beside it", "MB/s", rate}, figure{"echoes", "", float64(len(times))}), nil
}

// requests measures streams that send one request and close, with this many at a time.
func requests(workers int, count func(sizes) int) measurement {
	return func(ctx context.Context, t *tunnel, s sizes) ([]figure, error) {
		n := count(s)
		times := make([]time.Duration, n)
		before, err := t.usage()
		if err != nil {
			return nil, err
		}
		err = parallel(n, workers, func(i int) error {
			begin := time.Now()
			err := t.request(ctx)
			times[i] = time.Since(begin)
			return err
		})
		if err != nil {
			return nil, err
		}
		after, err := t.usage()
		figures := []figure{{"requests", "/s", float64(n) / after.at.Sub(before.at).Seconds()}}
		figures = append(figures, percentiles("", times)...)
		return append(figures, costs(after.spent(before), "ms/request", func(d time.Duration) float64 { return milliseconds(d) / float64(n) })...), err
	}
}

// percentiles are p50 and p99 in milliseconds.
func percentiles(prefix string, times []time.Duration) []figure {
	return quantiles(prefix, times, 50, 99)
}

// quantiles are some percentiles in milliseconds.
func quantiles(prefix string, times []time.Duration, percents ...int) (figures []figure) {
	sorted := slices.Sorted(slices.Values(times))
	for _, p := range percents {
		// nearest rank: with less than a hundred values, p99 is the maximum
		rank := int(math.Ceil(float64(p*len(sorted))/100)) - 1
		figures = append(figures, figure{fmt.Sprintf("%sp%d", prefix, p), "ms", milliseconds(sorted[rank])})
	}
	return figures
}

// background runs f beside the caller. The returned function ends it and waits for it; it
// returns the error with which f ended earlier, if it did.
func background(ctx context.Context, f func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		err := f(ctx)
		if ctx.Err() != nil {
			err = nil // it was told to end, or the caller's context gives the reason
		}
		done <- err
	}()
	return func() error {
		cancel()
		return <-done
	}
}
