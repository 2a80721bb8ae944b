package mux

import (
	"time"

	"kcptun/std/clock"
)

// The stream id of a NOP has a meaning, which stock peers ignore. From firstMark on it is a
// mark; any other id names a stream of which the sender reads no more. A second one before
// the sender's FIN says that what it has sent is incomplete.
const (
	nopAsks    = 0 // a keepalive, which the receiver answers
	nopAnswers = 1 // the answer, which is not answered itself; no stream has this id
)

// keepAlive is the longest time between frames to the peer. The server waits a little
// longer than the client: it answers the client's keepalives anyway, in the packet that
// acknowledges them, and so rarely has to send its own.
func (s *Session) keepAlive() time.Duration {
	longer := s.cfg.KeepAlive * 5 / 4
	if s.cfg.Client || longer > s.cfg.Patience*4/5 {
		return s.cfg.KeepAlive
	}
	return longer
}

// silence is how long the peer has given no sign of life. Frames alone do not tell: while
// the receiver is paused there are none, and a stock peer, which does not answer our
// keepalives, may send its own less often than our patience allows.
func (s *Session) silence(now time.Duration) time.Duration {
	return min(now-time.Duration(s.heard.Load()), s.cfg.Silence(), now-s.lastStall)
}

// A tick later than lateTick means that the program was not running: it was stopped, or the
// machine slept or was moved. The peer then had no chance to be heard.
const lateTick = time.Second

// tick runs when a keepalive or the end of the patience may be due.
func (s *Session) tick() {
	defer s.cfg.Panics.Catch(s.end)
	now := clock.Now()
	if s.isLate(now) {
		s.lastStall = now
		s.sendNOP(nopAsks)
	}
	if s.isDown(now) {
		s.starved.Store(int64(now))
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

// patience is how long the peer may be silent. It is half as long again while streams are
// open, so that they survive a network that is gone for 40 s, as in a tunnel or a lift.
// After that the peer needs some more seconds to be heard, as KCP's retransmission timeout
// has grown.
func (s *Session) patience() time.Duration {
	if s.NumStreams() > 0 {
		return s.cfg.Patience * 3 / 2
	}
	return s.cfg.Patience
}

// arm schedules the next tick, d after now.
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

// early is how much sooner than necessary a keepalive may be sent.
func (s *Session) early() time.Duration { return s.keepAlive() / 64 }

// until returns how long to wait for something due in d. It rounds down so that many
// sessions wake at the same moment: waking an idle program, and its peer's, costs more than
// the keepalive itself.
func (s *Session) until(d time.Duration) time.Duration {
	grid := s.early()
	return clock.Aligned(d-grid+1, grid)
}

// receiveNOP handles a NOP. An error ends the session.
func (s *Session) receiveNOP(id uint32) error {
	switch {
	case id == nopAsks:
		s.sendNOP(nopAnswers)
	case id == nopAnswers:
	case mark(id) >= firstMark:
		return s.receiveMark(mark(id))
	default:
		if st := s.stream(id); st != nil {
			st.refuse()
		}
	}
	return nil
}

// sendNOP queues a NOP, unless another frame is about to go out.
func (s *Session) sendNOP(id uint32) { s.post(cmdNOP, id, true) }
