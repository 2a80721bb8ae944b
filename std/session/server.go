package session

import "context"

// What only a server asks of its sessions.

// AwaitConfirmed waits until the client has acknowledged something that this session sent.
// Until then, everything received may be a recording that an attacker replays from some
// other address. Its error is the reason why the session has ended, or the cause of the end
// of ctx.
//
// If the acknowledgement is lost, the engine retransmits: until the client is confirmed, the
// link hides from it whatever else a packet says has arrived.
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
