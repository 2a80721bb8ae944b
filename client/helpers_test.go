package main

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/std/address"
	"kcptun/std/app"
	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/relay"
	"kcptun/std/session"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

func newEnv() (app.Env, *testkit.Logbook) {
	log, book := testkit.NewLog()
	return app.Env{Log: log, Stats: new(link.Stats)}, book
}

func clientConfig(server string) *Config {
	c := sessions.Config(config.Client)
	c.LocalAddr, c.RemoteAddr = "127.0.0.1:0", server
	return c
}

// newEchoServer serves sessions and echoes what it receives on their streams.
func newEchoServer(t *testing.T) *sessions.Server { return newEchoServerAt(t, "127.0.0.1:0") }

func newEchoServerAt(t *testing.T, addr string) *sessions.Server {
	return newEchoServerBy(t, addr, "aes-128-gcm")
}

// newStayingServer returns a server that does not follow its clients, and their settings.
func newStayingServer(t *testing.T) *Config {
	cfg := clientConfig(newEchoServerBy(t, "127.0.0.1:0", "null").Addr)
	cfg.Crypt = "null"
	return cfg
}

func newEchoServerBy(t *testing.T, addr, cipher string) *sessions.Server {
	t.Helper()
	c := sessions.Config(config.Server)
	c.Crypt = cipher
	return newEchoServerOf(t, addr, c)
}

func newEchoServerOf(t *testing.T, addr string, c *config.Config) *sessions.Server {
	t.Helper()
	return sessions.Serve(t, c, addr, func(s *session.Session) {
		var wg sync.WaitGroup
		defer wg.Wait()
		for {
			st, err := s.Accept()
			if err != nil {
				s.Close(err)
				return
			}
			wg.Go(func() {
				_, _ = relay.Copy(st, st)
				st.Close()
			})
		}
	})
}

// started is a running client.
type started struct {
	network, addr string
	log           *testkit.Logbook
	cancel        func()
	ended         chan error
}

// start runs a client until the test ends or cancel is called.
func start(t *testing.T, cfg *Config) *started {
	t.Helper()
	if err := cfg.Check(config.Client); err != nil {
		t.Fatal(err)
	}
	env, book := newEnv()
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{network: "tcp", log: book, cancel: cancel, ended: make(chan error, 1)}
	go func() { s.ended <- run(ctx, cfg, env) }()
	t.Cleanup(cancel)
	testkit.Eventually(t, "it listens", func() bool { return book.Count("msg=listening") == 1 })
	_, s.addr, _ = strings.Cut(book.String(), "msg=listening addr=")
	s.addr, _, _ = strings.Cut(s.addr, "\n")
	if address.IsUnixPath(s.addr) {
		s.network = "unix"
	}
	return s
}

// end ends the client and returns its error.
func (s *started) end(t *testing.T) error {
	t.Helper()
	s.cancel()
	return testkit.Within(t, "the client ends", s.ended)
}

func (s *started) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial(s.network, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testkit.Patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// echo sends text on conn and expects it back.
func echo(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v; want %q", got, err, text)
	}
}
