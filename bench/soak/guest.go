package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"

	"kcptun/e2e/lab"
)

// guestSessions is the number of sessions of each guest, a client that comes and goes.
const guestSessions = 8

// guests starts one guest after another. Every second one is killed, like a computer that
// is switched off; the others say goodbye.
func (s *site) guests(ctx context.Context) error {
	for i := 0; ctx.Err() == nil; i++ {
		if err := s.guest(ctx, i%2 == 0); err != nil && ctx.Err() == nil {
			return fmt.Errorf("a client that comes and goes: %w", err)
		}
	}
	return nil
}

func (s *site) guest(ctx context.Context, killed bool) error {
	limited, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	p, dial, err := s.StartClient(limited, "--mode", s.mode, "--quiet", "--conn", strconv.Itoa(guestSessions))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range guestSessions {
		wg.Go(func() {
			if _, err := lab.Pull(limited, dial, 16<<10, nil); err == nil {
				s.opened.Add(1)
			}
		})
	}
	wg.Wait()
	_ = lab.Sleep(ctx, s.step) // the only error is the end of ctx
	if killed {
		return p.Kill()
	}
	gone, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), patience, errPatience)
	defer cancel()
	return p.Stop(gone)
}

// How many datagrams are recorded, and how many of them a stranger replays, in each step.
const (
	recorded = 500
	replayed = 200
)

// strangers replay recorded datagrams from a port of their own in each step: unchanged,
// truncated, or with bits flipped.
func (s *site) strangers(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(2, 2))
	for ctx.Err() == nil {
		rec := s.Relay.Record(recorded)
		if lab.Sleep(ctx, s.step) != nil {
			break
		}
		list := rec.Datagrams(lab.Up)
		rng.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
		list = list[:min(len(list), replayed)]
		for i := range list {
			list[i].Data = lab.Mangle(rng, list[i].Data)
		}
		if err := s.stranger(ctx, list); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (s *site) stranger(ctx context.Context, list []lab.Datagram) error {
	st, err := lab.NewStranger(s.ServerAddr(), "")
	if err != nil {
		return err
	}
	defer st.Close()
	return st.Replay(ctx, list)
}
