package main

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"kcptun/e2e/lab"
)

// messageSize is the payload of an echo and of a request.
const messageSize = 64

// endless is the length of a transfer that ends only with its context.
const endless = math.MaxInt64

// load makes calls to the target, through a tunnel or directly.
type load struct {
	dial lab.Dial
}

// pull receives n bytes. It adds what has arrived to moved.
func (l load) pull(ctx context.Context, n int64, moved *atomic.Int64) error {
	_, err := lab.Pull(ctx, l.dial, n, addTo(moved))
	return err
}

// push sends n bytes and waits for confirmation that they have arrived. It adds what was
// sent to moved, which may count data still in buffers on the way.
func (l load) push(ctx context.Context, n int64, moved *atomic.Int64) error {
	_, err := lab.Push(ctx, l.dial, n, addTo(moved))
	return err
}

// addTo adds the bytes of a transfer to a sum over several.
func addTo(moved *atomic.Int64) lab.Progress {
	var told int64
	return func(done int64) {
		moved.Add(done - told)
		told = done
	}
}

// idle opens a stream, checks that it works, and leaves it open until ctx ends.
func (l load) idle(ctx context.Context) (*lab.Pinger, error) {
	p, err := lab.OpenPinger(ctx, l.dial, messageSize)
	if err == nil {
		_, err = p.Ping()
	}
	return p, err
}

// request opens a stream, sends a request, receives the answer and closes.
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
