package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kcptun/std/session"
	"kcptun/std/shutdown"
)

// How a session expires, and how one that takes no new streams ends.

// lifetime is how long a session keeps its port.
func (s *slot) lifetime() time.Duration { return time.Duration(s.cfg.AutoExpire) * time.Second }

// expire changes the port of a session that has streams, if the server follows, so that no
// stream is cut. If the session cannot go on at another port of the server, although the
// client knows of some, new streams get a new session there. Without streams, or with a
// server that does not follow, the session retires. expire returns the session if the slot
// keeps it.
func (s *slot) expire(ctx context.Context, h *held) *held {
	hopped := s.hop(h)
	if hopped && !h.IsConfined() {
		return h
	}
	s.live.Store(nil)
	h.Retire()
	hopped = hopped || s.hop(h) // a stream may have begun since the first look
	limit := time.Duration(s.cfg.ScavengeTTL) * time.Second
	if hopped {
		limit = -1
	}
	s.retire(ctx, h, "expired", limit)
	return nil
}

// rest closes a session that is not needed any more. It returns the session if the slot
// keeps it.
func (s *slot) rest(ctx context.Context, h *held) *held {
	if !s.pool.release(s) {
		h.look.Reset(s.pool.lately)
		return h
	}
	s.retire(ctx, h, "not needed", -1)
	return nil
}

// hop continues an expired session from another port. It is false if there is no reason to,
// or if the server does not follow.
func (s *slot) hop(h *held) bool {
	if h.NumStreams() == 0 {
		return false
	}
	was := h.LocalAddr()
	err := h.Move()
	facts := []any{"from", h.LocalAddr(), "was", was, "to", h.RemoteAddr(), "conv", h.Conv(), "streams", h.NumStreams()}
	switch {
	case errors.Is(err, session.ErrFixed):
		return false
	case err != nil:
		s.env.Log.Warn("session expired, and another port cannot be opened", append(facts, "err", err)...)
	default:
		s.env.Log.Info("session expired, it goes on from another port", facts...)
	}
	h.timer.Reset(s.lifetime())
	return true
}

// retire stops a session from taking new streams. It closes the session when it is idle and
// everything is delivered, or after limit; a negative limit means no limit. why is the first
// word of the logged reason.
func (s *slot) retire(ctx context.Context, h *held, why string, limit time.Duration) {
	closed := "when idle"
	if limit >= 0 {
		closed = "when idle, or after " + limit.String()
	}
	s.env.Log.Info("session "+why+", it takes no new streams", "to", h.RemoteAddr(), "conv", h.Conv(), "streams", h.NumStreams(), "closed", closed)
	s.seeOut(ctx, h, why, limit)
}

// seeOut does what retire does, without logging it.
func (s *slot) seeOut(ctx context.Context, h *held, why string, limit time.Duration) {
	h.Retire()
	var over <-chan time.Time
	if limit >= 0 {
		over = time.After(limit)
	}
	s.wg.Go(func() {
		defer s.env.Panics.Catch(h.Close)
		waiting, stop := context.WithCancel(ctx)
		defer stop()
		idle, delivered := h.Idle(), make(chan struct{})
		for {
			select {
			case <-h.expired():
				s.hop(h)
				continue
			case <-idle:
				idle = nil
				s.wg.Go(func() {
					defer close(delivered)
					defer s.env.Panics.Catch(h.Close)
					_ = h.DrainUnlessStuck(waiting, lastPatience) // the session ends in any case
				})
				continue
			case <-delivered:
				s.end(h, errors.New(why+" and idle"))
			case <-over:
				s.end(h, overdue(why, h.NumStreams()))
			case <-h.Done():
				if idle == nil {
					s.end(h, nil) // which has its reason
					return
				}
				s.env.Log.Warn(why+" session lost", "to", h.RemoteAddr(), "conv", h.Conv(), "reason", h.Err())
				h.stop()
			case <-ctx.Done():
				s.end(h, errClientEnds)
			}
			return
		}
	})
}

// lastPatience is how long the server may acknowledge nothing of the last of an upload before it
// is given up.
const lastPatience = 10 * time.Second

// overdue is the reason why a session ends after its limit.
func overdue(why string, streams int) error {
	if streams == 0 {
		return errors.New(why + " and idle")
	}
	return fmt.Errorf("%s, and scavengettl is over with %d streams open", why, streams)
}

// end says goodbye and closes a session once the data already sent has arrived.
func (s *slot) end(h *held, reason error) {
	h.stop()
	ctx, cancel := context.WithTimeout(context.Background(), shutdown.DrainLimit)
	defer cancel()
	h.Leave(ctx, reason)
	s.env.Log.Info("session closed", "to", h.RemoteAddr(), "conv", h.Conv(), "reason", h.Err())
}
