package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"kcptun/e2e/lab"
)

const (
	streamWorkers = 3
	streamPause   = 100 * time.Millisecond // between two streams of a worker
	mostBytes     = 512 << 10              // most bytes in one direction of a stream
)

// patience is how long a stream may take. That is longer than a session whose peer is gone
// is kept.
const patience = 90 * time.Second

var errPatience = errors.New("the stream took too long")

// workers are the load of a site; each runs until ctx ends. An error of a worker ends the
// run, but on this network a stream that fails is not an error.
func (s *site) workers() []func(context.Context) error {
	work := []func(context.Context) error{s.slow, s.guests, s.strangers}
	for i := range streamWorkers {
		work = append(work, func(ctx context.Context) error { return s.short(ctx, uint64(i)) })
	}
	return work
}

// short opens one stream after another.
func (s *site) short(ctx context.Context, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		if err := s.stream(ctx, rng); err != nil {
			return err
		}
		_ = lab.Sleep(ctx, streamPause) // the only error is the end of ctx
	}
	return nil
}

// slow keeps a slow stream open.
func (s *site) slow(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.count(ctx, func(ctx context.Context) error {
			_, err := lab.PullSlow(ctx, s.Dial, 2<<20, nil)
			return err
		}); err != nil {
			return err
		}
		_ = lab.Sleep(ctx, streamPause)
	}
	return nil
}

// stream runs one stream of a random kind, as applications use them.
func (s *site) stream(ctx context.Context, rng *rand.Rand) error {
	size, more := rng.Int64N(mostBytes)+1, rng.Int64N(mostBytes)+1
	leaves := time.Duration(rng.IntN(100)) * time.Millisecond
	switch rng.IntN(6) {
	case 0, 1:
		return s.count(ctx, func(ctx context.Context) error { _, err := lab.Pull(ctx, s.Dial, size, nil); return err })
	case 2:
		return s.count(ctx, func(ctx context.Context) error { _, err := lab.Push(ctx, s.Dial, size, nil); return err })
	case 3:
		return s.count(ctx, func(ctx context.Context) error { _, err := lab.HalfClose(ctx, s.Dial, size, more); return err })
	case 4:
		return s.count(ctx, func(ctx context.Context) error { _, err := lab.Echo(ctx, s.Dial, 20, 64); return err })
	}
	// The application leaves in the middle of the transfer.
	short, cancel := context.WithTimeout(ctx, leaves)
	defer cancel()
	_, err := lab.Pull(short, s.Dial, 64<<20, nil)
	return wrongOnly(err)
}

// count runs a stream to its end. Only wrong data counts as an error.
func (s *site) count(ctx context.Context, stream func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	err := stream(limited)
	switch {
	case err == nil:
		s.streams.Add(1)
	case ctx.Err() == nil:
		s.failed.Add(1)
	}
	return wrongOnly(err)
}

func wrongOnly(err error) error {
	if errors.Is(err, lab.ErrWrongData) {
		return err
	}
	return nil
}
