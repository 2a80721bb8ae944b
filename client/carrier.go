package main

import (
	"context"
	"errors"
	"net"
	"time"

	"kcptun/std"
)

// carrier carries accepted connections over sessions of the pool.
type carrier struct {
	cfg  *Config
	env  std.Env
	pool *pool

	open std.Group
}

var errNoSession = errors.New("no session within the time")

// start carries one connection in a goroutine of its own.
func (c *carrier) start(conn net.Conn) {
	c.open.Go(conn, func() { c.carry(conn) })
}

// finish lets the open connections end by themselves for a while, and then
// closes them.
func (c *carrier) finish(grace time.Duration) { c.open.Finish(grace) }

func (c *carrier) carry(conn net.Conn) {
	st, sess, err := c.stream()
	if err != nil {
		conn.Close()
		c.env.Log.Warn("connection closed without a stream", "from", std.AddrText(conn.RemoteAddr()), "waited", sessionWait, "reason", err)
		return
	}
	std.CarryStream(std.Carry{
		Log: c.env.Log, Quiet: c.cfg.Quiet,
		From: std.AddrText(conn.RemoteAddr()), To: sess.RemoteAddr().String(),
		FromName: "application", ToName: "server",
		Stream: st, A: conn, B: st.Wrapped(), CloseWait: c.cfg.CloseWait,
	})
}

// stream opens a stream on a session of the pool; one that expires or dies under
// our hands is not the last.
func (c *carrier) stream() (*std.Stream, *std.Session, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), sessionWait, errNoSession)
	defer cancel()
	for {
		sess, err := c.pool.session(ctx)
		if err != nil {
			return nil, nil, err
		}
		st, err := sess.Open()
		if err == nil {
			return st, sess, nil
		}
		if !errors.Is(err, std.ErrRetired) {
			sess.Close(err)
		}
		if !sleep(ctx, 10*time.Millisecond) { // until its slot has noticed
			return nil, nil, context.Cause(ctx)
		}
	}
}
