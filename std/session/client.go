package session

// What only a client asks of its sessions.

// Probe sends a frame without content, so that a server of any version has something to
// acknowledge. It may be the first frame of a session.
func (s *Session) Probe() error { return s.mux.Nop() }

// Answered tells whether any valid packet has arrived from the peer.
func (s *Session) Answered() bool { _, heard := s.peer.Silence(); return heard }

// FirstAnswer is closed when Answered becomes true.
func (s *Session) FirstAnswer() <-chan struct{} { return s.peer.Answered() }

// Retired is closed when the session stops taking new streams: after Retire, or when it has
// used up its stream ids.
func (s *Session) Retired() <-chan struct{} { return s.retiring }
