// Package sessions opens sessions over UDP on this machine, as the two programs do, for the
// tests of what uses sessions. Package session has helpers of its own, as its tests must not
// import what imports it.
package sessions

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/session"
	"kcptun/std/testkit"
)

// ErrTestEnds is the reason for closing what a test leaves open.
var ErrTestEnds = errors.New("test ends")

// Config returns settings of an end under which nothing has to wait.
func Config(r config.Role) *config.Config {
	c := config.Default(r)
	c.Key, c.Mode, c.Crypt, c.SockBuf = "a key", "fast3", "aes-128-gcm", 1<<20
	return &c
}

func check(t testing.TB, c *config.Config, r config.Role) link.Options {
	t.Helper()
	if err := c.Check(r); err != nil {
		t.Fatal(err)
	}
	opt, err := session.LinkOptions(c, slog.New(slog.DiscardHandler), new(link.Stats))
	if err != nil {
		t.Fatal(err)
	}
	return opt
}

// Dial opens a client's session. It is closed when the test ends.
func Dial(t testing.TB, c *config.Config, server string, conv uint32) (*session.Session, *link.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	l, err := link.Dial(ctx, check(t, c, config.Client), server)
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(c).Client(l, conv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(ErrTestEnds) })
	return s, l
}

// Server accepts sessions.
type Server struct {
	Addr   string
	link   *link.Conn
	maker  *session.Maker
	accept session.Listener
	ctx    context.Context
	cancel func()
	wg     sync.WaitGroup
}

// Serve accepts sessions at addr until the test ends. Each is passed to handle in a
// goroutine of its own.
func Serve(t testing.TB, c *config.Config, addr string, handle func(*session.Session)) *Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{ctx: ctx, cancel: cancel}
	opt := check(t, c, config.Server)
	listen := link.Listen
	if c.TCP {
		listen = link.ListenTCP
	}
	var err error
	if s.link, err = listen(ctx, opt, addr); err != nil {
		t.Fatal(err)
	}
	s.Addr, s.maker = s.link.LocalAddr().String(), session.New(c)
	if s.accept, err = s.maker.Listen(s.link, s.link); err != nil {
		t.Fatal(err)
	}
	s.wg.Go(func() { s.run(handle) })
	t.Cleanup(s.Close)
	return s
}

func (s *Server) run(handle func(*session.Session)) {
	for errs := 0; errs < 50; { // a listener of kcp-go that has both a conversation and an error returns either
		c, err := s.accept.Accept()
		if err != nil {
			errs++
			continue
		}
		s.wg.Go(func() {
			sess, err := s.maker.Server(s.ctx, c, func(session.Difference) {})
			if err != nil {
				return
			}
			handle(sess)
			sess.Close(ErrTestEnds)
		})
	}
}

// Vanish ends the server as if its machine had lost its power: clients hear nothing of it.
func (s *Server) Vanish() { s.link.Close() }

// Close ends the server and its sessions.
func (s *Server) Close() {
	s.cancel()
	s.link.Close() // ends the listener and every session
	s.wg.Wait()
	s.accept.Close()
}
