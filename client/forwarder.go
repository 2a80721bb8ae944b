package main

import (
	"context"
	"errors"
	"net"
	"time"

	"kcptun/std/app"
	"kcptun/std/clock"
	"kcptun/std/hangup"
	"kcptun/std/listen"
	"kcptun/std/mux"
	"kcptun/std/relay"
	"kcptun/std/session"
	"kcptun/std/shutdown"
)

// forwarder forwards accepted connections over the sessions of the pool.
type forwarder struct {
	cfg  *Config
	env  app.Env
	pool *pool

	open    shutdown.Group
	refused relay.Refusals
	pad     *relay.Pad // for QPP; nil: QPP is off
}

func newForwarder(cfg *Config, env app.Env, pool *pool) *forwarder {
	f := &forwarder{cfg: cfg, env: env, pool: pool, refused: relay.Refusals{Quiet: cfg.Quiet}}
	f.open.Panics = env.Panics
	if cfg.QPP {
		f.pad = relay.NewPad(cfg.QPPCount, cfg.Key)
	}
	return f
}

var (
	errNoSession  = errors.New("no session in time")
	errClientEnds = errors.New("client ends")
	errHungUp     = errors.New("the application has left")
)

// start forwards one connection in its own goroutine.
func (f *forwarder) start(conn net.Conn) {
	ends := new(shutdown.Closers)
	ends.Add(conn)
	if !f.open.Go(ends, func() { f.forward(conn, ends) }) {
		conn.Close()
	}
}

// forward forwards one connection until it ends or ends is closed. It adds what it opens to
// ends.
func (f *forwarder) forward(conn net.Conn, ends *shutdown.Closers) {
	slot := f.pool.pick()
	st, sess := ready(slot)
	if st == nil {
		begun := clock.Now()
		var err error
		if st, sess, err = f.await(conn, ends, slot); err != nil {
			conn.Close()
			if times, due := f.refused.Due(); due {
				f.env.Log.Warn("connection closed without a stream", "from", listen.AddrText(conn.RemoteAddr()), "waited", (clock.Now() - begun).Round(time.Millisecond), "reason", err, "times", times)
			}
			return
		}
	}
	ends.Add(shutdown.CloserFunc(func() { _ = st.Reset() }))
	relay.Carry{
		Log: f.env.Log, Quiet: f.cfg.Quiet,
		From: listen.AddrText(conn.RemoteAddr()), To: sess.RemoteAddr().String(),
		FromName: "application", ToName: "server",
		Stream: st.ID(), A: conn, B: f.pad.Wrap(st), CloseWait: f.cfg.CloseWait, Group: &f.open, Ends: ends,
	}.Run()
}

// ready opens a stream on the slot's session, if it has one that is ready; otherwise it
// returns nil.
func ready(from *slot) (*mux.Stream, *session.Session) {
	sess := from.ready()
	if sess == nil {
		return nil, nil
	}
	st, err := sess.OpenCorked()
	if err != nil {
		return nil, nil
	}
	return st, sess
}

// await calls stream with a time limit. It gives up when ends is closed or the application
// disconnects.
func (f *forwarder) await(conn net.Conn, ends *shutdown.Closers, from *slot) (*mux.Stream, *session.Session, error) {
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	ends.Add(shutdown.CloserFunc(func() { end(errClientEnds) }))
	defer hangup.WatchLeft(conn, func() { end(errHungUp) })()
	ctx, cancel := context.WithTimeoutCause(ctx, sessionWait, errNoSession)
	defer cancel()
	return f.stream(ctx, from)
}

// stream opens a stream on the slot's session, until ctx ends. If the session retires or
// dies before the stream is open, it tries the next slot.
func (f *forwarder) stream(ctx context.Context, from *slot) (*mux.Stream, *session.Session, error) {
	for {
		sess, err := f.pool.session(ctx, from)
		if err != nil {
			return nil, nil, err
		}
		st, err := sess.OpenCorked()
		if err == nil {
			return st, sess, nil
		}
		if !errors.Is(err, session.ErrRetired) { // a retired session still has streams
			sess.Close(err)
		}
		from = f.pool.pick()
	}
}
