package session

// What a client asks of its sessions, and a server does not.

// Probe sends a frame that says nothing, so that the server, of any age, has something
// to acknowledge. It may be a session's first.
func (s *Session) Probe() error { return s.mux.Nop() }

// Answered tells whether anything that opens has come from the peer.
func (s *Session) Answered() bool { _, heard := s.peer.Silence(); return heard }

// FirstAnswer is closed when Answered becomes true.
func (s *Session) FirstAnswer() <-chan struct{} { return s.peer.Answered() }

// Retired is closed when the session takes no new streams: after Retire, or when it
// has used up its stream ids.
func (s *Session) Retired() <-chan struct{} { return s.retiring }
