package main

import (
	"context"
	"math"
	"slices"
	"time"

	"kcptun/e2e/lab"
)

// echo is a message that has come back, or the last one, which was still under way at the
// end.
type echo struct {
	at   time.Time // when it was sent
	took time.Duration
	open bool // it has not come back: it has taken at least that long
}

// exchange sends up to count messages, one after the other on one stream, and returns how
// long each took there and back. The first message, which opens the stream, is left out. If
// ctx ends early, that is not an error unless there are no echoes yet.
func (l load) exchange(ctx context.Context, count int) (all []echo, err error) {
	p, err := lab.OpenPinger(ctx, l.dial, messageSize)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if _, err := p.Ping(); err != nil {
		return nil, err
	}
	for len(all) < count { // not allocated in advance: count may only be an upper bound
		e := echo{at: time.Now()}
		if e.took, err = p.Ping(); err != nil {
			if ctx.Err() == nil || len(all) == 0 {
				return all, err
			}
			e.open = true
			return append(all, e), nil
		}
		all = append(all, e)
	}
	return all, nil
}

// since returns the times of the echoes that came back at a moment or later. One that is
// under way counts if it is the slowest: left out, the slowest messages would never count.
func since(all []echo, from time.Time) (times []time.Duration) {
	for _, e := range all {
		early := e.at.Add(e.took).Before(from)
		if !early && (!e.open || len(times) == 0 || e.took > slices.Max(times)) {
			times = append(times, e.took)
		}
	}
	return times
}

// echoes returns the round-trip times of up to count messages on one stream.
func (l load) echoes(ctx context.Context, count int) ([]time.Duration, error) {
	all, err := l.exchange(ctx, count)
	return since(all, time.Time{}), err
}

// echoing sends echoes in the background.
type echoing struct {
	all []echo       // once it has been stopped
	end func() error // stops it
}

// echoing begins to send echoes.
func (l load) echoing(ctx context.Context) *echoing {
	e := new(echoing)
	e.end = background(ctx, func(ctx context.Context) (err error) {
		e.all, err = l.exchange(ctx, math.MaxInt)
		return err
	})
	return e
}
