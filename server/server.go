package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/app"
	"kcptun/std/link"
	"kcptun/std/notice"
	"kcptun/std/relay"
	"kcptun/std/session"
	"kcptun/std/shutdown"
)

// server serves sessions and their streams.
type server struct {
	cfg      *Config
	env      app.Env
	target   dialer
	sessions *session.Maker
	noTarget relay.Refusals
	pad      *relay.Pad // for QPP; nil: QPP is off

	streams shutdown.Group
	wg      sync.WaitGroup // sessions and listeners

	refused notice.Recurring // reports sessions that were refused
	unheard notice.Recurring // reports clients that do not hear us
	differ  notice.Recurring // reports clients whose QPP settings differ from ours
	untold  notice.Recurring // reports clients whose QPP settings are not known

	delivering atomic.Int32 // streams that have ended and wait for an acknowledgement
}

var (
	errServerEnds = errors.New("server ends")
	errNoAnswer   = fmt.Errorf("nothing acknowledged within %v: a client that does not hear us, or a replayed recording", firstWords)
	errNoWords    = fmt.Errorf("no first bytes within %v: a client that is gone, or a replayed datagram", firstWords)
)

// serve accepts sessions from all links until ctx ends, lets their streams
// finish, and closes them.
func (s *server) serve(ctx context.Context, links []*link.Conn) error {
	// Sessions outlive ctx by the grace period of their streams.
	life, cancel := context.WithCancelCause(context.Background())
	end := func() { cancel(errServerEnds) }
	defer end()
	each := lanes(runtime.GOMAXPROCS(0), len(links))
	failed := make(chan error, len(links)*each)
	for _, l := range links {
		for _, lane := range l.Lanes(each) {
			lis, err := s.sessions.Listen(l, lane)
			if err != nil {
				return err
			}
			defer lis.Close()
			context.AfterFunc(ctx, func() { lis.Close() })
			s.wg.Go(func() { failed <- s.accept(ctx, life, lis) })
		}
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.streams.End(end)
	end()
	if err != nil {
		closeAll(links)
	}
	s.wg.Wait()
	return err
}

// maxLanes is the most lanes that one receiver can keep busy: receiving takes about an
// eighth of the time that the lanes take (docs/performance.md).
const maxLanes = 8

// lanes is the number of goroutines that process the datagrams of each port. With few
// cores, or several ports, one per port is no bottleneck. The other half of the cores is
// for the streams and for sending.
func lanes(cores, ports int) int { return max(1, min(cores/2/ports, maxLanes)) }

// accept serves the sessions of one lane of a link until its listener ends. It returns the
// listener's error, or nil if ctx has ended.
func (s *server) accept(ctx, life context.Context, lis session.Listener) error {
	for {
		c, err := lis.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Drop()
			}
			return nil
		}
		if err != nil {
			return err
		}
		s.wg.Go(func() { s.session(ctx, life, c) })
	}
}

// session serves one session until the session or life ends.
func (s *server) session(ctx, life context.Context, c *session.Conversation) {
	defer s.env.Panics.Catch(func(error) { c.Drop() })
	log := s.env.Log.With("from", c.Addr().String(), "conv", c.Conv())
	sess, notes, err := s.begin(ctx, life, c)
	if err != nil {
		s.refuse(log, err)
		return
	}
	log.Info("session opened", "at", sess.LocalAddr())
	for _, n := range notes {
		log.Info("client differs in "+n.Setting+", speaking as it does", "ours", n.Ours, "theirs", n.Theirs)
	}
	if s.cfg.QPP {
		defer time.AfterFunc(helloWait, func() { s.undisclosed(sess) }).Stop()
	}
	done := make(chan struct{})
	s.wg.Go(func() {
		defer close(done)
		defer s.env.Panics.Catch(sess.Close)
		sess.Close(s.acceptStreams(ctx, sess))
	})
	select {
	case <-done:
	case <-life.Done():
		s.end(sess, done)
	}
	log.Info("session closed", "reason", sess.Err())
}

// begin turns a conversation into a session once its client has shown that it hears us.
// Until then the conversation may be a replay, possibly from many addresses, so it gets no
// log line of its own, no stream is accepted, and no connection to the target is made.
func (s *server) begin(ctx, life context.Context, c *session.Conversation) (*session.Session, []session.Difference, error) {
	hearing, cancel := context.WithTimeoutCause(ctx, firstWords, errNoWords)
	defer cancel()
	var notes []session.Difference
	sess, err := s.sessions.Server(hearing, c, func(d session.Difference) { notes = append(notes, d) })
	if ctx.Err() != nil && err != nil {
		err = errServerEnds // a clearer reason than "context canceled"
	}
	if err != nil {
		return nil, nil, err
	}
	confirming, cancel := context.WithTimeoutCause(life, firstWords, errNoAnswer)
	defer cancel()
	defer time.AfterFunc(unheardAfter, func() { s.notHeard(c.Addr(), c.Conv()) }).Stop()
	if err := sess.AwaitConfirmed(confirming); err != nil {
		sess.Close(err)
		return nil, nil, err
	}
	return sess, notes, nil
}

// refuse logs that a conversation did not become a session. If its client has said goodbye,
// there is no trouble: it was answered sooner at another address of ours.
func (s *server) refuse(log *slog.Logger, reason error) {
	if errors.Is(reason, session.ErrLeft) {
		return
	}
	if times, due := s.refused.Due(); due {
		log.Warn("session refused", "reason", reason, "times", times)
	}
}

// differs logs that a client's QPP settings differ from ours. The target then receives
// garbage, and nothing else in the log would say why.
func (s *server) differs(sess *session.Session, d session.Difference) {
	if times, due := s.differ.Due(); due {
		s.env.Log.Warn("client differs in "+d.Setting+", its streams cannot be read: set it alike at both ends",
			"from", sess.RemoteAddr(), "ours", d.Ours, "theirs", d.Theirs, "times", times)
	}
}

// undisclosed logs that a client has not told its QPP settings, as originals never do. If they
// differ from ours, nothing else in the log would hint at it.
func (s *server) undisclosed(sess *session.Session) {
	if sess.Greeted() {
		return
	}
	if times, due := s.untold.Due(); due {
		s.env.Log.Info("client does not tell its QPP settings, as originals do not: if its streams cannot be read, compare QPP and QPPCount",
			"from", sess.RemoteAddr(), "times", times)
	}
}

// end sends what the session still holds, says goodbye, and closes it.
func (s *server) end(sess *session.Session, done <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdown.DrainLimit)
	defer cancel()
	sess.Leave(ctx, errServerEnds)
	<-done
}

// acceptStreams connects the streams of a session until the session ends, and returns the
// reason. Streams that arrive after ctx has ended are reset at once.
func (s *server) acceptStreams(ctx context.Context, sess *session.Session) error {
	for {
		st, err := sess.Accept()
		if err != nil {
			return err
		}
		ends := new(shutdown.Closers)
		ends.Add(shutdown.CloserFunc(func() { _ = st.Reset() }))
		if !s.streams.Go(ends, func() { s.stream(ctx, sess, st, ends) }) {
			_ = st.Reset()
		}
	}
}
