package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std"
)

// Redialling backs off from the first to the second of these.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// drainLimit bounds the wait for the peer to acknowledge what was sent, before a
// session is closed.
const drainLimit = 2 * time.Second

// slot holds one session at a time. Its goroutine dials when somebody asks, and
// replaces the session when it dies or expires; streams keep the session they
// are on. An idle slot does nothing.
type slot struct {
	cfg  *Config
	env  std.Env
	dial *dialer
	want chan request
	gone chan struct{}               // closed when run has ended
	live atomic.Pointer[std.Session] // nil where one is to be asked for

	backoff time.Duration // 0 after a success
	retry   time.Time     // no dialling before
	wg      sync.WaitGroup
}

type request struct {
	ctx   context.Context
	reply chan<- *std.Session // gets nil where ctx or the slot's has ended
}

func newSlot(cfg *Config, env std.Env, dial *dialer) *slot {
	return &slot{cfg: cfg, env: env, dial: dial, want: make(chan request), gone: make(chan struct{})}
}

// ready is the slot's session where there is a living one, else nil.
func (s *slot) ready() *std.Session {
	sess := s.live.Load()
	if sess != nil {
		select {
		case <-sess.Done():
			return nil
		default:
		}
	}
	return sess
}

// session asks the slot for its session until ctx ends.
func (s *slot) session(ctx context.Context) (*std.Session, error) {
	reply := make(chan *std.Session, 1)
	select {
	case s.want <- request{ctx, reply}:
	case <-s.gone:
		return nil, errClientEnds
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if sess := <-reply; sess != nil {
		return sess, nil
	}
	if ctx.Err() == nil {
		return nil, errClientEnds
	}
	return nil, context.Cause(ctx)
}

// run owns the session until ctx ends.
func (s *slot) run(ctx context.Context) {
	defer close(s.gone)
	defer s.wg.Wait()
	var cur *held
	for {
		select {
		case <-ctx.Done():
			s.live.Store(nil)
			if cur != nil {
				s.end(cur, errClientEnds)
			}
			return
		case <-cur.dead():
			s.env.Log.Warn("session lost, the next stream gets a new one", "to", cur.RemoteAddr(), "conv", cur.Conv(), "reason", cur.Err())
			cur.stop()
			cur = nil
			s.live.Store(nil)
		case <-cur.expired():
			s.live.Store(nil)
			s.retire(ctx, cur)
			cur = nil
		case req := <-s.want:
			if cur == nil {
				cur = s.redial(ctx, req.ctx)
			}
			if cur == nil {
				req.reply <- nil
			} else {
				s.live.Store(cur.Session)
				req.reply <- cur.Session
			}
		}
	}
}

// redial tries until it has a session, or one of the contexts ends.
func (s *slot) redial(ctx, asked context.Context) *held {
	asked, cancel := context.WithCancel(asked)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	for {
		if !sleep(asked, time.Until(s.retry)) {
			return nil
		}
		sess, err := s.dial.dial(asked)
		if err == nil {
			s.backoff = 0
			return s.hold(sess)
		}
		s.backoff = min(max(2*s.backoff, firstBackoff), lastBackoff)
		s.retry = time.Now().Add(s.backoff)
		if asked.Err() == nil {
			s.env.Log.Warn("no session, trying again", "to", s.cfg.RemoteAddr, "err", err, "in", s.backoff)
		}
	}
}

// sleep is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// held is a session with its time of expiry.
type held struct {
	*std.Session
	timer *time.Timer // nil: never
}

// hold takes a session in: its time runs, and its death is noticed.
func (s *slot) hold(sess *std.Session) *held {
	h := &held{Session: sess}
	if s.cfg.AutoExpire > 0 {
		h.timer = time.NewTimer(time.Duration(s.cfg.AutoExpire) * time.Second)
	}
	s.wg.Go(func() { // a server opens no streams: Accept ends with the session
		for {
			st, err := sess.Accept()
			if err != nil {
				sess.Close(err)
				return
			}
			s.wg.Go(func() { st.Close() })
		}
	})
	return h
}

// dead, expired and stop also work on no session at all.
func (h *held) dead() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.Done()
}

func (h *held) expired() <-chan time.Time {
	if h == nil || h.timer == nil {
		return nil
	}
	return h.timer.C
}

func (h *held) stop() {
	if h.timer != nil {
		h.timer.Stop()
	}
}

// retire lets an expired session take no new streams and closes it when it is
// idle or its time is up.
func (s *slot) retire(ctx context.Context, h *held) {
	h.Retire()
	var over <-chan time.Time // never, where scavengettl is -1
	closed := "when idle"
	if s.cfg.ScavengeTTL >= 0 {
		limit := time.Duration(s.cfg.ScavengeTTL) * time.Second
		over, closed = time.After(limit), "when idle, or after "+limit.String()
	}
	s.env.Log.Info("session expired, it takes no new streams", "to", h.RemoteAddr(), "conv", h.Conv(), "streams", h.NumStreams(), "closed", closed)
	s.wg.Go(func() {
		select {
		case <-h.Idle():
			s.end(h, errors.New("expired and idle"))
		case <-over:
			s.end(h, fmt.Errorf("expired, and scavengettl is over with %d streams open", h.NumStreams()))
		case <-h.Done():
			s.env.Log.Warn("expired session lost", "to", h.RemoteAddr(), "conv", h.Conv(), "reason", h.Err())
		case <-ctx.Done():
			s.end(h, errClientEnds)
		}
	})
}

// end closes a session of ours after what was sent has arrived.
func (s *slot) end(h *held, reason error) {
	h.stop()
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	_ = h.Drain(ctx) // what is not acknowledged by then will not be
	h.Close(reason)
	s.env.Log.Info("session closed", "to", h.RemoteAddr(), "conv", h.Conv(), "reason", h.Err())
}
