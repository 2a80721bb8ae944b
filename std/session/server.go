package session

import (
	"context"
	"time"
)

// What only a server asks of its sessions.

// firstAsk is the delay after which a client that has acknowledged nothing is asked again.
// It then doubles each time. It is longer than most round trips.
const firstAsk = 250 * time.Millisecond

// AwaitConfirmed waits until the client has acknowledged something that this session sent.
// Until then, everything received may be a recording that an attacker replays from some
// other address. Its error is the reason why the session has ended, or the cause of the end
// of ctx.
//
// The acknowledgement may be lost, and KCP is satisfied by a later packet that reports what
// has arrived. A recording contains such packets too, so something new has to be
// acknowledged.
func (s *Session) AwaitConfirmed(ctx context.Context) error {
	wait := firstAsk
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case <-s.peer.Confirmed():
			return nil
		case <-s.mux.Ended():
			return s.explain(s.mux.Err())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
			s.mux.Ask()
			wait *= 2
			again.Reset(wait)
		}
	}
}
