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

// carrier carries accepted connections over the sessions of the pool.
type carrier struct {
	cfg  *Config
	env  app.Env
	pool *pool

	open    shutdown.Group
	refused relay.Refusals
	pad     *relay.Pad // for QPP; nil: QPP is off
}

var (
	errNoSession  = errors.New("no session in time")
	errClientEnds = errors.New("client ends")
	errHungUp     = errors.New("the application has left")
)

// start carries one connection in its own goroutine.
func (c *carrier) start(conn net.Conn) {
	ends := new(shutdown.Closers)
	ends.Add(conn)
	if !c.open.Go(ends, func() { c.carry(conn, ends) }) {
		conn.Close()
	}
}

// carry carries one connection until it ends or ends is closed. It adds what it opens to
// ends.
func (c *carrier) carry(conn net.Conn, ends *shutdown.Closers) {
	slot := c.pool.pick()
	st, sess := ready(slot)
	if st == nil {
		begun := clock.Now()
		var err error
		if st, sess, err = c.await(conn, ends, slot); err != nil {
			conn.Close()
			if times, due := c.refused.Due(); due {
				c.env.Log.Warn("connection closed without a stream", "from", listen.AddrText(conn.RemoteAddr()), "waited", (clock.Now() - begun).Round(time.Millisecond), "reason", err, "times", times)
			}
			return
		}
	}
	ends.Add(shutdown.CloserFunc(func() { _ = st.Reset() }))
	relay.Carry{
		Log: c.env.Log, Quiet: c.cfg.Quiet,
		From: listen.AddrText(conn.RemoteAddr()), To: sess.RemoteAddr().String(),
		FromName: "application", ToName: "server",
		Stream: st.ID(), A: conn, B: c.pad.Wrap(st), CloseWait: c.cfg.CloseWait, Group: &c.open, Ends: ends,
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
func (c *carrier) await(conn net.Conn, ends *shutdown.Closers, from *slot) (*mux.Stream, *session.Session, error) {
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	ends.Add(shutdown.CloserFunc(func() { end(errClientEnds) }))
	defer hangup.WatchLeft(conn, func() { end(errHungUp) })()
	ctx, cancel := context.WithTimeoutCause(ctx, sessionWait, errNoSession)
	defer cancel()
	return c.stream(ctx, from)
}

// stream opens a stream on the slot's session, until ctx ends. If the session retires or
// dies before the stream is open, it tries the next slot.
func (c *carrier) stream(ctx context.Context, from *slot) (*mux.Stream, *session.Session, error) {
	for {
		sess, err := c.pool.session(ctx, from)
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
		from = c.pool.pick()
	}
}
