package main

import (
	"context"
	"net"

	"kcptun/std/mux"
	"kcptun/std/relay"
	"kcptun/std/session"
	"kcptun/std/shutdown"
)

// stream connects one stream to the target and carries it until it ends or ends is closed.
// It adds the target to ends.
func (s *server) stream(ctx context.Context, sess *session.Session, st *mux.Stream, ends *shutdown.Closers) {
	conn, err := s.target.dial(ctx)
	if err != nil {
		if times, due := s.noTarget.Due(); due {
			s.env.Log.Warn("stream refused", "from", sess.RemoteAddr(), "stream", st.ID(), "to", s.target, "reason", err, "times", times)
		}
		_ = st.Reset()
		return
	}
	ends.Add(conn)
	relay.Carry{
		Log: s.env.Log, Quiet: s.cfg.Quiet,
		From: sess.RemoteAddr().String(), To: s.target.String(),
		FromName: "client", ToName: "target",
		Stream: st.ID(), A: s.pad.Wrap(st), B: conn, CloseWait: s.cfg.CloseWait, Group: &s.streams, Ends: ends,
		Delivered: func() error { return s.delivered(ctx, sess) },
	}.Run()
}

// maxDelivering is how many ended streams may wait for their last acknowledgement at a
// time. More than these are logged without it: a client that acknowledges nothing must not
// make us keep a goroutine for each stream that it opens.
const maxDelivering = 256

// delivered waits until the client of a stream that has ended has acknowledged all of it,
// or ctx ends. If the client does not, that is its error.
func (s *server) delivered(ctx context.Context, sess *session.Session) error {
	defer s.delivering.Add(-1)
	if s.delivering.Add(1) > maxDelivering {
		return nil
	}
	err := sess.AwaitDelivery(ctx, unheardAfter)
	if err != nil && sess.HeardWithin(unheardAfter) {
		s.notHeard(sess.RemoteAddr(), sess.Conv())
	}
	return err
}

// notHeard warns of a client that we hear but that does not seem to hear us.
func (s *server) notHeard(from net.Addr, conv uint32) {
	if times, due := s.unheard.Due(); due {
		s.env.Log.Warn("a client is heard and acknowledges nothing: does a firewall, or a NAT, let our datagrams through to it?", "from", from, "conv", conv, "times", times)
	}
}
