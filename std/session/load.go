package session

import (
	"sync"
	"time"
)

// loadSpan is roughly how long bytes count for the load of a session.
const loadSpan = time.Second

// meter counts recent bytes.
type meter struct {
	mu          sync.Mutex
	begun       time.Duration // of the present half of the span
	now, before int64         // bytes in it, and in the half before
}

func (m *meter) add(now time.Duration, n int) {
	m.mu.Lock()
	m.roll(now)
	m.now += int64(n)
	m.mu.Unlock()
}

// load is how many bytes were counted in the last loadSpan, or half of it.
func (m *meter) load(now time.Duration) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	return m.now + m.before
}

// roll begins another half when it is time.
func (m *meter) roll(now time.Duration) {
	switch age := now - m.begun; {
	case age >= loadSpan:
		m.begun, m.now, m.before = now, 0, 0
	case age >= loadSpan/2:
		m.begun, m.now, m.before = m.begun+loadSpan/2, 0, m.now
	}
}

// Load is how many bytes the session has moved in about the last second, both ways, in
// mode auto; in other modes it is 0.
func (s *Session) Load() int64 { return s.engine.load() }
