package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"kcptun/e2e/lab"
)

// messageSize is the payload of an echo and of a request.
const messageSize = 64

// endless is the length of a transfer that somebody else ends.
const endless = math.MaxInt64

// load calls the target, through a tunnel or without one.
type load struct {
	dial lab.Dial
}

// pull receives n bytes. What has arrived is added to moved.
func (l load) pull(ctx context.Context, n int64, moved *atomic.Int64) error {
	_, err := lab.Pull(ctx, l.dial, n, addTo(moved))
	return err
}

// push sends n bytes and waits for the word that they have arrived. What was sent is
// added to moved: buffers on the way may hold a part of it.
func (l load) push(ctx context.Context, n int64, moved *atomic.Int64) error {
	_, err := lab.Push(ctx, l.dial, n, addTo(moved))
	return err
}

// addTo adds what a transfer moves to a sum of several.
func addTo(moved *atomic.Int64) lab.Progress {
	var told int64
	return func(done int64) {
		moved.Add(done - told)
		told = done
	}
}

// echoes returns how long each of up to count messages took there and back, one
// after the other on one stream. The first, which opens the stream, is left
// out. The end of ctx ends them early, which is no error once there are some.
func (l load) echoes(ctx context.Context, count int) ([]time.Duration, error) {
	p, err := lab.OpenPinger(ctx, l.dial, messageSize)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	var times []time.Duration // grows as needed: count may only be a bound
	var took time.Duration
	for len(times) <= count && err == nil {
		if took, err = p.Ping(); err == nil {
			times = append(times, took)
		}
	}
	if err != nil && ctx.Err() != nil && len(times) > 1 {
		err = nil
		// The one that is still under way has taken at least so long. Left out, the
		// worst would be those that never count.
		if took > slices.Max(times[1:]) {
			times = append(times, took)
		}
	}
	if len(times) > 0 {
		times = times[1:]
	}
	return times, err
}

// idle opens a stream, sees that it works, and leaves it open until ctx ends.
func (l load) idle(ctx context.Context) (*lab.Pinger, error) {
	p, err := lab.OpenPinger(ctx, l.dial, messageSize)
	if err == nil {
		_, err = p.Ping()
	}
	return p, err
}

// request opens a stream, asks, gets the answer and closes.
func (l load) request(ctx context.Context) error {
	_, err := lab.Echo(ctx, l.dial, 1, messageSize)
	return err
}

// ready waits until the target answers.
func (l load) ready(ctx context.Context) error {
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := l.echoes(once, 1)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the tunnel does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
