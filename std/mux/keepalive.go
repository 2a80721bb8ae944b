package mux

import (
	"time"

	"kcptun/std/clock"
)

// What the stream id of a NOP says. Stock peers ignore it. From firstMark on it is a mark;
// any other id is that of a stream which the sender has closed whole.
const (
	nopAsks    = 0 // a keepalive, which the receiver answers
	nopAnswers = 1 // the answer, which is not answered; no stream has this id
)

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

// silence is how long the peer has given no sign of life. While the receiver is paused
// there are no frames, and those of a stock peer, which does not answer ours, may be
// further apart than our patience.
func (s *Session) silence(now time.Duration) time.Duration {
	return min(now-time.Duration(s.heard.Load()), s.cfg.Silence(), now-s.stoodStill)
}

// lateTick is how late a tick may be. Beyond that the program has stood still (it was
// stopped, or the machine slept or was moved), and the peer had no chance to be heard.
const lateTick = time.Second

// tick runs when something may be due.
func (s *Session) tick() {
	defer s.cfg.Panics.Catch(s.end)
	now := clock.Now()
	if s.isLate(now) {
		s.stoodStill = now
		s.sendNOP(nopAsks)
	}
	silent, patience := s.silence(now), s.patience()
	if silent >= patience {
		s.end(ErrSilent)
		return
	}
	still := now - time.Duration(s.out.last.Load())
	if still >= s.keepAlive()-s.early() {
		s.sendNOP(nopAsks)
		still = 0
	}
	s.arm(now, min(max(s.until(s.keepAlive()-still), time.Millisecond), patience-silent))
}

// patience is how long the peer may be silent. While streams are open it is half as long
// again: a network that is gone for 40 s, as in a tunnel or a lift, need not end them, and
// the peer needs some seconds more to be heard again, as KCP's pauses have grown.
func (s *Session) patience() time.Duration {
	if s.NumStreams() > 0 {
		return s.cfg.Patience * 3 / 2
	}
	return s.cfg.Patience
}

// arm has the next tick come after d.
func (s *Session) arm(now, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.due = now + d
		s.timer.Reset(d)
	}
}

func (s *Session) isLate(now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now-s.due >= lateTick
}

// early is by how much a keepalive may come sooner than it must.
func (s *Session) early() time.Duration { return s.keepAlive() / 64 }

// until is how long to wait for what is due in d, or a little earlier. It is due at the
// same moment in many sessions: waking an idle program, and its peer's, costs more than
// what it does then.
func (s *Session) until(d time.Duration) time.Duration {
	grid := s.early()
	return clock.Aligned(d-grid+1, grid) // rounded down
}

// said takes note of a NOP of the peer. Its error is the end of the session.
func (s *Session) said(id uint32) error {
	switch {
	case id == nopAsks:
		s.sendNOP(nopAnswers)
	case id == nopAnswers:
	case mark(id) >= firstMark:
		return s.marked(mark(id))
	default:
		if st := s.stream(id); st != nil {
			st.refuse()
		}
	}
	return nil
}

// sendNOP sends a NOP without waiting, unless another frame is on its way.
func (s *Session) sendNOP(id uint32) { s.post(cmdNOP, id, true) }
