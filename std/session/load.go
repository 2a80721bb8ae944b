package session

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
)

// loadSpan is roughly how long bytes count towards the load of a session.
const loadSpan = time.Second

// meter counts recent bytes.
type meter struct {
	mu          sync.Mutex
	begun       time.Duration // of the current half of the span
	now, before int64         // bytes in it, and in the previous half
}

func (m *meter) add(now time.Duration, n int) {
	m.mu.Lock()
	m.roll(now)
	m.now += int64(n)
	m.mu.Unlock()
}

// load is how many bytes were counted in the last loadSpan, or in half of it.
func (m *meter) load(now time.Duration) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	return m.now + m.before
}

// roll starts the next half when it is due.
func (m *meter) roll(now time.Duration) {
	switch age := now - m.begun; {
	case age >= loadSpan:
		m.begun, m.now, m.before = now, 0, 0
	case age >= loadSpan/2:
		m.begun, m.now, m.before = m.begun+loadSpan/2, 0, m.now
	}
}

// Load is how many bytes the session has moved in about the last second, in both
// directions. It is counted in mode auto only; in other modes it is 0.
func (s *Session) Load() int64 { return s.engine.load() }

// usage is what a session knows of the use of its streams: data arrives on one of them again
// and again.
type usage struct {
	last atomic.Int64  // by clock.Now
	news chan struct{} // holds one token: a stream was in use since the last one was taken
}

func (u *usage) begin() {
	u.last.Store(math.MinInt64 / 2)
	u.news = make(chan struct{}, 1)
}

// seen is called about once a second while a stream is in use.
func (u *usage) seen() {
	u.last.Store(int64(clock.Now()))
	select {
	case u.news <- struct{}{}:
	default:
	}
}

// InUse receives about once a second while a stream is in use: data arrives on it at moments
// that are more than a second apart, and at most ten. It is noticed at a client in mode auto
// only; otherwise InUse is nil.
func (s *Session) InUse() <-chan struct{} { return s.usage.news }

// UsedWithin tells whether the session has streams, and one was in use in the last d.
func (s *Session) UsedWithin(d time.Duration) bool {
	return s.usage.news != nil && clock.Now()-time.Duration(s.usage.last.Load()) < d && s.NumStreams() > 0
}

// IsFull tells whether the session receives nothing now, for any stream, because too much of
// what it received is unread: a new stream would have to wait for whoever does not read.
func (s *Session) IsFull() bool { return s.mux.IsFull() }
