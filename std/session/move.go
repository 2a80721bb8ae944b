package session

import (
	"context"
	"errors"
	"time"
)

// A client's session may continue from another port, with all its streams, if the server
// has said in its hello that it follows.

// moveWait limits how long opening another socket may take.
const moveWait = time.Second

// ErrFixed is returned by Move if the session has to stay at its port: the server is a
// stock one, has not said hello yet or follows nobody, or the carrier imitates TCP.
var ErrFixed = errors.New("the session cannot change its port")

// Move continues from another port, and if possible to another port of the server. It fails
// with ErrFixed, or if the system has no socket for it; the session then stays where it is.
// The frame gives the server a packet that it has not seen before, which shows that it is
// not a replay.
func (s *Session) Move() error {
	if !s.can(canFollow) {
		return ErrFixed
	}
	ctx, cancel := context.WithTimeout(context.Background(), moveWait)
	defer cancel()
	err := s.link.Move(ctx, s.can(canPorts))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return ErrFixed
	case err == nil:
		s.mux.Ask()
	}
	return err
}

// can tells whether the peer has all these abilities.
func (s *Session) can(abilities uint32) bool {
	theirs := s.mux.Hello()
	return theirs != nil && theirs.Can&abilities == abilities
}

// IsConfined tells whether Move leaves a session at the port of the server where it is,
// although the client knows of others.
func (s *Session) IsConfined() bool { return s.link.HasRange() && !s.can(canFollow|canPorts) }

// moveOn moves because the path is silent: the flow may be blocked.
func (f *Maker) moveOn(s *Session) {
	defer f.Panics.Catch(s.Close)
	was, silent := s.LocalAddr(), s.path.silence()
	if s.Move() == nil && f.Moved != nil {
		f.Moved(s, was, silent)
	}
}
