package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/app"
	"kcptun/std/clock"
	"kcptun/std/session"
)

// Redialling backs off from firstBackoff to lastBackoff. lastBackoff is short, because a
// connection that arrives once the trouble is over should not wait longer than that for the
// next attempt.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 500 * time.Millisecond

	// avoidFor is how long a slot whose last dial failed gets no connections if another one
	// can take them. Then it is tried again: nobody else would notice that it works.
	avoidFor = 5 * time.Second
)

// slot holds one session at a time. Its goroutine dials while a connection is waiting. It lets
// go of a session that has ended, has no stream ids left, was suspended for too long or whose
// path is dead, and of one that has expired and cannot go on from another port; existing
// streams stay on the session they started on. An idle slot does nothing.
type slot struct {
	cfg  *Config
	env  app.Env
	dial *dialer
	pool *pool // told of each new session, each failed dial and each session that is lost

	asked   chan struct{}                   // holds one token: a connection is waiting
	waiting atomic.Int32                    // number of connections waiting
	wanted  atomic.Bool                     // a session is, for connections to come
	spare   atomic.Bool                     // and that one is a spare
	failing atomic.Bool                     // the last dial failed
	failed  atomic.Int64                    // when, by clock.Now
	live    atomic.Pointer[session.Session] // nil: ask must be called first

	backoff time.Duration // 0 after a success
	retry   time.Duration // no dialling before this time, by clock.Now
	wg      sync.WaitGroup
}

func newSlot(cfg *Config, env app.Env, dial *dialer, pool *pool) *slot {
	return &slot{cfg: cfg, env: env, dial: dial, pool: pool, asked: make(chan struct{}, 1), retry: clock.Now()}
}

// ready returns the slot's session if it can take streams, else nil. A session that may be
// cut off takes no streams until it is known to be alive.
func (s *slot) ready() *session.Session {
	sess := s.live.Load()
	if sess != nil {
		select {
		case <-sess.Done():
			return nil
		case <-sess.Retired():
			return nil
		default:
		}
		if sess.Stalled() || sess.HasSlept() {
			return nil
		}
	}
	return sess
}

// troubled reports whether a connection given to this slot may have to wait a long time.
func (s *slot) troubled() bool {
	sess := s.live.Load()
	failing := s.failing.Load() && clock.Now()-time.Duration(s.failed.Load()) < avoidFor
	return failing || sess != nil && (sess.Stalled() || sess.IsFull())
}

// ask makes the slot dial once, if it has no session.
func (s *slot) ask() {
	select {
	case s.asked <- struct{}{}:
	default:
	}
}

// want makes the slot open a session for connections to come.
func (s *slot) want() {
	s.wanted.Store(true)
	s.ask()
}

// run owns the session until ctx ends.
func (s *slot) run(ctx context.Context) {
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
			s.lost(cur)
			cur = nil
		case <-cur.deadPath():
			s.live.Store(nil)
			s.cutOff(ctx, cur)
			cur = nil
		case <-cur.slept():
			s.live.Store(nil)
			s.retire(ctx, cur, "overslept", -1)
			cur = nil
		case <-cur.expired():
			cur = s.expire(ctx, cur)
		case <-cur.exhausted():
			s.live.Store(nil)
			s.retire(ctx, cur, "exhausted", -1)
			cur = nil
		case <-cur.inUse():
			s.pool.spare()
		case <-cur.rested():
			cur = s.rest(ctx, cur)
		case <-s.asked:
			wanted := s.wanted.Swap(false)
			spare := s.spare.Swap(false) && s.waiting.Load() == 0
			if cur == nil && (wanted || s.waiting.Load() > 0) {
				cur = s.redial(ctx, spare)
			}
		}
	}
}

// lost handles the death of a session.
func (s *slot) lost(cur *held) {
	if s.dropSpare(cur) {
		return
	}
	s.env.Log.Warn("session lost, the next stream gets a new one", "to", cur.RemoteAddr(), "conv", cur.Conv(), "reason", cur.Err())
	cur.stop()
	s.live.Store(nil)
	if !cur.Answered() {
		s.dial.unanswered()
	}
	s.pool.doubt(s)
	s.pool.news.tell()
}

// cutOff replaces a session whose path is dead. Its streams stay on it, as it may still
// recover. The next session uses another port, and is used only once the server answers it.
func (s *slot) cutOff(ctx context.Context, cur *held) {
	if s.dropSpare(cur) {
		return
	}
	v := cur.Path()
	facts := []any{"to", cur.RemoteAddr(), "conv", cur.Conv(), "silent", v.Silent.Round(time.Millisecond),
		"unacknowledged", v.Unacked, "timeout", v.Timeout.Round(time.Millisecond), "streams", cur.NumStreams()}
	if v.Answered {
		s.env.Log.Warn("session cut off, the next stream gets a new one", facts...)
	} else {
		s.wg.Go(func() { s.dial.noAnswer(ctx, cur.RemoteAddr(), facts) })
	}
	s.dial.unanswered()
	s.seeOut(ctx, cur, "cut off", -1)
	s.pool.doubt(s)
	s.pool.news.tell()
}

// redial dials once, after the backoff. It returns nil if the dial failed or ctx ended;
// connections that are still waiting ask again. The failure of a spare is no trouble.
func (s *slot) redial(ctx context.Context, spare bool) *held {
	if !sleep(ctx, s.retry-clock.Now()) {
		return nil
	}
	defer s.pool.news.tell()
	sess, err := s.dial.dial(ctx)
	if spare && err != nil {
		s.pool.spares.tell(s, err)
		return nil
	}
	s.failed.Store(int64(clock.Now()))
	s.failing.Store(err != nil)
	if err == nil {
		s.backoff = 0
		s.live.Store(sess)
		h := s.hold(sess, spare)
		if s.waiting.Load() == 0 && !sess.Answered() {
			s.probe(h)
		}
		return h
	}
	s.backoff = min(max(2*s.backoff, firstBackoff), lastBackoff)
	s.retry = clock.Now() + s.backoff
	if ctx.Err() == nil {
		s.dial.failed(err)
	}
	return nil
}

// probe makes the server answer a session that nobody waits for, so that its first stream
// does not have to wait for that.
func (s *slot) probe(h *held) {
	if err := h.Probe(); err != nil {
		h.Close(err)
	}
}

// sleep returns false if ctx ended first.
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

// held is a session with its timers.
type held struct {
	*session.Session
	spare bool        // it was opened in the background
	timer *time.Timer // of its expiry; nil: the session never expires
	look  *time.Timer // to see whether it is still needed; nil: it stays in any case
}

// hold starts the timers of a new session, logs its first answer and watches for its death.
func (s *slot) hold(sess *session.Session, spare bool) *held {
	h := &held{Session: sess, spare: spare}
	if s.cfg.AutoExpire > 0 {
		h.timer = time.NewTimer(s.lifetime())
	}
	if s.pool.auto {
		h.look = time.NewTimer(s.pool.lately)
	}
	s.wg.Go(func() {
		select {
		case <-sess.FirstAnswer():
			if spare {
				s.pool.spares.answered()
			}
			s.env.Log.Info("session opened", "from", sess.LocalAddr(), "to", sess.RemoteAddr(), "conv", sess.Conv())
		case <-sess.Done():
			return
		}
		if s.cfg.QPP {
			s.dial.awaitHello(sess)
		}
	})
	s.wg.Go(func() { // a server opens no streams: Accept ends with the session
		defer s.env.Panics.Catch(sess.Close)
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

// dead, deadPath, slept, expired, exhausted, inUse and rested may be called on a nil session.
func (h *held) dead() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.Done()
}

func (h *held) deadPath() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.DeadPath()
}

func (h *held) slept() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.Slept()
}

func (h *held) expired() <-chan time.Time {
	if h == nil || h.timer == nil {
		return nil
	}
	return h.timer.C
}

func (h *held) exhausted() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.Retired()
}

func (h *held) inUse() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.InUse()
}

func (h *held) rested() <-chan time.Time {
	if h == nil || h.look == nil {
		return nil
	}
	return h.look.C
}

func (h *held) stop() {
	for _, t := range []*time.Timer{h.timer, h.look} {
		if t != nil {
			t.Stop()
		}
	}
}
