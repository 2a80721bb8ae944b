package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"kcptun/e2e/lab"
	"kcptun/std/app"
	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/testkit"
)

func newEnv() (app.Env, *testkit.Logbook) {
	log, book := testkit.NewLog()
	return app.Env{Log: log, Stats: new(link.Stats)}, book
}

// freePorts returns n consecutive UDP ports that are free.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	first, err := lab.FreePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func newConfig(role config.Role) *Config {
	c := config.Default(role)
	c.Key, c.Mode, c.Crypt, c.SockBuf = "a key", "fast3", "aes-128-gcm", 1<<20
	return &c
}

// started is a running server.
type started struct {
	port   int
	log    *testkit.Logbook
	cancel func()
	ended  chan error
}

// addr is the first of its ports.
func (s *started) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// start runs a server on n ports until the test ends or cancel is called.
func start(t *testing.T, cfg *Config, n int) *started {
	t.Helper()
	s := &started{port: freePorts(t, n), ended: make(chan error, 1)}
	cfg.Listen = fmt.Sprintf("127.0.0.1:%d-%d", s.port, s.port+n-1)
	if err := cfg.Check(config.Server); err != nil {
		t.Fatal(err)
	}
	env, book := newEnv()
	ctx, cancel := context.WithCancel(context.Background())
	s.log, s.cancel = book, cancel
	go func() { s.ended <- run(ctx, cfg, env) }()
	t.Cleanup(cancel)
	testkit.Eventually(t, "it listens", func() bool { return book.Count("msg=listening") == n })
	return s
}

// end ends the server and returns its error.
func (s *started) end(t *testing.T) error {
	t.Helper()
	s.cancel()
	return testkit.Within(t, "the server ends", s.ended)
}

// session opens a client's session to port number i of the server.
func (s *started) session(t *testing.T, cfg *Config, i int) (*session.Session, *link.Conn) {
	t.Helper()
	return dialSession(t, cfg, fmt.Sprintf("127.0.0.1:%d", s.port+i), uint32(77+i))
}

// session opens a client's session to a server.
func dialSession(t *testing.T, cfg *Config, server string, conv uint32) (*session.Session, *link.Conn) {
	t.Helper()
	if err := cfg.Check(config.Client); err != nil {
		t.Fatal(err)
	}
	env, _ := newEnv()
	opt, err := session.LinkOptions(cfg, env.Log, env.Stats)
	if err != nil {
		t.Fatal(err)
	}
	l, err := link.Dial(context.Background(), opt, server)
	if err != nil {
		t.Fatal(err)
	}
	sess, err := session.New(cfg).Client(l, conv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sess.Close(errTestEnds) })
	return sess, l
}

var errTestEnds = errors.New("test ends")

func open(t *testing.T, s *session.Session) *mux.Stream {
	t.Helper()
	st, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// echo sends text on a stream and expects it back.
func echo(t *testing.T, st io.ReadWriter, text string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := io.WriteString(st, text)
		got := make([]byte, len(text))
		if err == nil {
			_, err = io.ReadFull(st, got)
		}
		if err == nil && string(got) != text {
			err = fmt.Errorf("%q came back, want %q", got, text)
		}
		done <- err
	}()
	if err := testkit.Within(t, "the echo", done); err != nil {
		t.Fatal(err)
	}
}

// target listens and passes each connection to handle.
func target(t *testing.T, network, addr string, handle func(net.Conn)) string {
	t.Helper()
	lis, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() { lis.Close(); wg.Wait() })
	return lis.Addr().String()
}

func echoes(c net.Conn) { _, _ = io.Copy(c, c) }
