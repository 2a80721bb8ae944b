package session

import (
	"sync"
	"time"
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

// IsFull tells whether the session receives nothing now, for any stream, because too much of
// what it received is unread: a new stream would have to wait for whoever does not read.
func (s *Session) IsFull() bool { return s.mux.IsFull() }
