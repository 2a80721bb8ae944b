package session

import (
	"context"
	"time"
)

// What a server asks of its sessions, and a client does not.

// firstAsk is after how long a client that has acknowledged nothing is asked again; then
// after twice as long each time. It is above most round trips.
const firstAsk = 250 * time.Millisecond

// AwaitConfirmed waits until the client has acknowledged something that this session
// sent. Before, all that came may be a recording that somebody plays again from wherever
// he is. Its error is why the session is at its end, or the cause of the end of ctx.
//
// The acknowledgement may be lost, and KCP is content with a later packet that says what
// has arrived. A recording has such, too: then it takes something new to acknowledge.
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
