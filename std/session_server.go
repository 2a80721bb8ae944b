package std

import "context"

// What a server asks of its sessions, and a client does not.

// AwaitConfirmed waits until the client has acknowledged something that this session
// sent. Before, all that came may be a recording that somebody plays again from wherever
// he is. Its error is why the session is at its end, or the cause of the end of ctx.
func (s *Session) AwaitConfirmed(ctx context.Context) error {
	select {
	case <-s.peer.Confirmed():
		return nil
	case <-s.mux.Ended():
		return s.explain(s.mux.Err())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
