package session

import (
	"context"
	"errors"
	"time"
)

const (
	// firstLook is when AwaitDelivery looks for the first time. By then, KCP has sent what
	// was written before, unless its window was full or the rate limit held it back: that
	// is not waited for. lastLook is the longest time between two looks.
	firstLook = 5 * time.Millisecond
	lastLook  = 250 * time.Millisecond
)

// ErrUndelivered means that the peer, in the log a client, does not acknowledge what was sent to it.
var ErrUndelivered = errors.New("the client did not acknowledge the last of it")

// AwaitDelivery waits until the client has acknowledged what this session has sent so far.
// It fails with ErrUndelivered if the session ends before that, or if the client
// acknowledges nothing more for the time patience, or four retransmission timeouts if that
// is longer. It returns nil if ctx ends first, because then it is not known.
func (s *Session) AwaitDelivery(ctx context.Context, patience time.Duration) error {
	look := time.NewTimer(firstLook)
	defer look.Stop()
	var end, last uint32
	silent := time.Duration(0) // by the timer: a sleep of this program does not count
	for wait, ended := firstLook, false; ; wait = min(2*wait, lastLook) {
		select {
		case <-look.C:
		case <-s.mux.Ended():
			ended = true
		case <-ctx.Done():
			return nil
		}
		sent, acked := s.peer.Progress()
		switch {
		case wait == firstLook:
			end = sent
		case acked == last:
			silent += wait
		default:
			silent = 0
		}
		last = acked
		if int32(acked-end) >= 0 {
			return nil
		}
		if ended || silent >= max(patience, deadTimeouts*s.engine.timeout()) {
			return ErrUndelivered
		}
		look.Reset(min(2*wait, lastLook))
	}
}

// DrainUnlessStuck is Drain, but gives up with ErrUndelivered when the peer acknowledges nothing
// more for the time patience, or four retransmission timeouts if that is longer: whoever
// should read it does not.
func (s *Session) DrainUnlessStuck(ctx context.Context, patience time.Duration) error {
	for {
		_, before := s.peer.Progress()
		limited, cancel := context.WithTimeout(ctx, max(patience, deadTimeouts*s.engine.timeout()))
		err := s.Drain(limited)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if _, now := s.peer.Progress(); now == before {
			return ErrUndelivered
		}
	}
}

// HeardWithin tells whether a packet with news of the client came within the last d.
func (s *Session) HeardWithin(d time.Duration) bool {
	silence, ever := s.peer.Silence()
	return ever && silence < d
}
