package mux

import "time"

// begin is the origin of the times that a session keeps.
var begin = time.Now()

// now is nanoseconds since begin, of the clock that nobody sets.
func now() int64 { return int64(time.Since(begin)) }

// keepAlive is the longest time between frames to the peer. The client's frames are
// answered at once, in the packet that acknowledges them; so the server waits a
// little longer for them before it sends its own.
func (s *Session) keepAlive() time.Duration {
	longer := s.cfg.KeepAlive * 5 / 4
	if s.cfg.Client || longer > s.cfg.Patience*4/5 {
		return s.cfg.KeepAlive
	}
	return longer
}

// tick runs when something may be due.
func (s *Session) tick() {
	paused := s.paused.Load() // before heard, which is set before it ends
	silent := time.Duration(now() - s.heard.Load())
	if paused {
		silent = 0 // it is we who do not listen
	}
	if silent >= s.cfg.Patience {
		s.end(ErrSilent)
		return
	}
	still := time.Duration(now() - s.out.last.Load())
	if still >= s.keepAlive()-s.early() {
		s.nudge()
		still = 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.timer.Reset(max(min(s.until(s.keepAlive()-still), s.cfg.Patience-silent), time.Millisecond))
	}
}

// early is by how much a keepalive may come sooner than it must.
func (s *Session) early() time.Duration { return s.keepAlive() / 64 }

// until is how long to wait for what is due in d. It is due at the same moment in many
// sessions: to wake an idle program up, and its peer's, costs more than what it does
// then.
func (s *Session) until(d time.Duration) time.Duration {
	grid := s.early()
	past := time.Duration(now()+int64(d)) % grid
	return d - (past+grid)%grid // the clock of a test may be before begin
}

// answer answers a frame that says nothing, so that the peer hears us as often.
func (s *Session) answer() {
	if !s.cfg.Client && time.Duration(now()-s.out.last.Load()) >= s.cfg.KeepAlive/2 {
		s.nudge()
	}
}

// nudge sends a frame that says nothing, without waiting, unless another is on its
// way.
func (s *Session) nudge() { s.post(cmdNOP, 0, true) }
