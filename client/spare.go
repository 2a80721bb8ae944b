package main

import (
	"sync"
	"time"

	"kcptun/std/clock"
	"kcptun/std/session"
)

// In mode auto, streams in use and a download should not share a session, whichever begins
// first. So a session is opened in the background as soon as each one has a stream in use.
// When the download begins, the server has answered that session, and nothing waits for it.
// A client whose streams are silent keeps one session.

const (
	// lately is how long a stream counts as in use after it was: who has read what a shell
	// printed types again after some minutes.
	lately = 5 * time.Minute

	// sparePause is the shortest time between two sessions that are opened in the
	// background. It doubles, up to spareLongest, each time that one is not answered: a
	// firewall may let one flow pass and no second one.
	sparePause   = time.Minute
	spareLongest = 30 * time.Minute
)

// state is how well a session suits a new stream; the less, the better.
type state int

const (
	quiet state = iota // it has no stream in use
	inUse              // it has
	cold               // the server has not answered it, or there is none: a stream waits for a round trip
)

// stateOf returns the state of a slot's session, or of nil.
func (p *pool) stateOf(sess *session.Session) state {
	switch {
	case sess == nil || !sess.Answered():
		return cold
	case sess.UsedWithin(p.lately):
		return inUse
	}
	return quiet
}

// spares guards which sessions are open although no stream needs them.
type spares struct {
	mu     sync.Mutex
	opened time.Duration // when the last one was, by clock.Now; 0: none was
	pause  time.Duration // until the next one may be
	told   sync.Once     // that there is none
}

// answered is called when the server has answered one.
func (s *spares) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause = sparePause
}

// tell logs, once, that there is none.
func (s *spares) tell(of *slot, reason error) {
	s.told.Do(func() {
		of.env.Log.Info("no second session for now, streams share one", "to", of.cfg.RemoteAddr, "reason", reason)
	})
}

// dropSpare closes a session that was opened in the background, was never answered and has
// no streams. It tells whether it did. That says nothing of the other sessions or of the
// server, which streams in use show to be alive.
func (s *slot) dropSpare(h *held) bool {
	if !h.spare || h.Answered() {
		return false
	}
	h.Retire()
	if h.NumStreams() > 0 {
		return false
	}
	s.live.Store(nil)
	h.stop()
	s.pool.spares.tell(s, errUnanswered)
	s.dial.dismiss(h.Session)
	return true
}

// spare opens a session in the background if each one has a stream in use, and a slot is
// free. It is called about once a second while a stream is in use.
func (p *pool) spare() {
	p.spares.mu.Lock()
	defer p.spares.mu.Unlock()
	var free *slot
	for _, s := range p.slots {
		switch sess := s.live.Load(); {
		case sess == nil && free == nil:
			free = s
		case sess != nil && !sess.UsedWithin(p.lately) && !sess.Stalled():
			return
		}
	}
	now := clock.Now()
	if free == nil || p.spares.opened > 0 && now-p.spares.opened < p.spares.pause {
		return
	}
	p.spares.opened, p.spares.pause = now, min(max(2*p.spares.pause, sparePause), spareLongest)
	free.spare.Store(true)
	free.want()
}

// release takes a session without streams out of its slot, if another one is ready and none
// has a stream in use. It tells whether it did.
func (p *pool) release(s *slot) bool {
	p.spares.mu.Lock()
	defer p.spares.mu.Unlock()
	if sess := s.live.Load(); sess == nil || sess.NumStreams() > 0 {
		return false
	}
	others := false
	for _, other := range p.slots {
		switch p.stateOf(other.ready()) {
		case inUse:
			return false
		case quiet:
			others = others || other != s
		}
	}
	if others {
		s.live.Store(nil)
	}
	return others
}
