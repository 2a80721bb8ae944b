package main

import (
	"context"
	"sync/atomic"
	"time"

	"kcptun/e2e/lab"
)

// churnBytes is what each short stream moves: more than the smallest streams, less than a
// window.
const churnBytes = 64 << 10

// Each of the streamWorkers opens at most one stream per streamPace, 320 a second in all.
// So both pairs get the same load, and the ports of ended connections, which the kernel
// keeps for a minute, do not run out.
const (
	streamWorkers = 8
	streamPace    = 25 * time.Millisecond
)

// coming counts the streams and sessions that came and went.
type coming struct{ streams, sessions atomic.Int64 }

// churning measures how much memory streams and sessions leave behind once they are gone,
// while as many idle sessions with one stream each stay: when the server has dropped the
// dead sessions, and later at rest.
func churning(sessions int) measurement {
	return func(ctx context.Context, t *tunnel, s sizes) ([]figure, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if _, err := t.openIdle(ctx, sessions); err != nil {
			return nil, err
		}
		_ = lab.Sleep(ctx, s.settle)
		fresh, err := t.resident()
		if err != nil {
			return nil, err
		}
		var came coming
		if err := t.comeAndGo(ctx, s, &came); err != nil {
			return nil, err
		}
		_ = lab.Sleep(ctx, s.bury)
		worn, err := t.resident()
		if err != nil {
			return nil, err
		}
		_ = lab.Sleep(ctx, s.rest)
		rested, err := t.resident()
		if err != nil {
			return nil, err
		}
		peak, err := t.peak()
		if err != nil {
			return nil, err
		}
		left, err := t.serverSessions(ctx)
		figures := perEnd("rss fresh", "MB", fresh)
		figures = append(figures, perEnd("rss after", "MB", worn)...)
		figures = append(figures, perEnd("rss at rest", "MB", rested)...)
		figures = append(figures, perEnd("peak rss", "MB", peak)...)
		return append(figures,
			figure{"streams that came and went", "", float64(came.streams.Load())},
			figure{"sessions that came and went", "", float64(came.sessions.Load())},
			figure{"server's sessions after", "", float64(left)}), err
	}
}

// comeAndGo runs the short streams of the idle sessions, and the guests with their own
// sessions, for a while. The first error ends it.
func (t *tunnel) comeAndGo(ctx context.Context, s sizes, came *coming) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	end := time.Now().Add(s.churn)
	const workers = streamWorkers + guestWorkers
	err := parallel(workers, workers, func(w int) error {
		work := t.streams
		if w >= streamWorkers {
			work = t.guests
		}
		err := work(ctx, s, end, came)
		if err != nil {
			fail(err)
		}
		return err
	})
	if err != nil {
		return context.Cause(ctx) // the first error; the others are consequences of it
	}
	return nil
}

// streams opens, uses and closes one stream after another.
func (t *tunnel) streams(ctx context.Context, _ sizes, end time.Time, came *coming) error {
	for i := 0; time.Now().Before(end) && ctx.Err() == nil; i++ {
		next := time.Now().Add(streamPace)
		if err := downOrUp(i)(ctx, t.load, churnBytes); err != nil {
			return err
		}
		came.streams.Add(1)
		_ = lab.Sleep(ctx, time.Until(next))
	}
	return context.Cause(ctx)
}

// downOrUp alternates between the directions.
func downOrUp(i int) transfer {
	if i%2 == 1 {
		return up
	}
	return down
}
