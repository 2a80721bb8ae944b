package main

import (
	"context"
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
	"kcptun/std/testkit/sessions"
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
	return sessions.Dial(t, cfg, fmt.Sprintf("127.0.0.1:%d", s.port+i), uint32(77+i))
}

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

// startTarget listens and passes each connection to handle.
func startTarget(t *testing.T, network, addr string, handle func(net.Conn)) string {
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
