package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/e2e/lab"
	"kcptun/std"
	"kcptun/std/link"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}

func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing within %v: %s", patience, what)
		panic("unreachable")
	}
}

// noLeak fails the test where goroutines stay behind it.
func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before && !t.Failed(); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}

// logbook is a log that a test can read while others write.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logbook) count(text string) int { return strings.Count(l.String(), text) }

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

func newEnv() (std.Env, *logbook) {
	book := new(logbook)
	return std.Env{Log: slog.New(slog.NewTextHandler(book, nil)), Stats: new(link.Stats)}, book
}

// freePorts are n UDP ports in a row that nobody uses now.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	first, err := lab.FreePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func config(role std.Role) *Config {
	c := std.DefaultConfig(role)
	c.Key, c.Mode, c.Crypt, c.SockBuf = "a key", "fast3", "aes-128-gcm", 1<<20
	return &c
}

// started is a server that runs.
type started struct {
	port   int
	log    *logbook
	cancel func()
	ended  chan error
}

// start runs a server on n ports until the test ends or cancel is called.
func start(t *testing.T, cfg *Config, n int) *started {
	t.Helper()
	s := &started{port: freePorts(t, n), ended: make(chan error, 1)}
	cfg.Listen = fmt.Sprintf("127.0.0.1:%d-%d", s.port, s.port+n-1)
	if err := cfg.Check(std.Server); err != nil {
		t.Fatal(err)
	}
	env, book := newEnv()
	ctx, cancel := context.WithCancel(context.Background())
	s.log, s.cancel = book, cancel
	go func() { s.ended <- run(ctx, cfg, env) }()
	t.Cleanup(cancel)
	eventually(t, "it listens", func() bool { return book.count("msg=listening") == n })
	return s
}

// end ends the server and returns how.
func (s *started) end(t *testing.T) error {
	t.Helper()
	s.cancel()
	return within(t, "the server ends", s.ended)
}

// session is a client's session to the server's port number i.
func (s *started) session(t *testing.T, cfg *Config, i int) (*std.Session, *link.Conn) {
	t.Helper()
	if err := cfg.Check(std.Client); err != nil {
		t.Fatal(err)
	}
	env, _ := newEnv()
	opt, err := cfg.LinkOptions(env.Log, env.Stats)
	if err != nil {
		t.Fatal(err)
	}
	l, err := link.Dial(context.Background(), opt, fmt.Sprintf("127.0.0.1:%d", s.port+i))
	if err != nil {
		t.Fatal(err)
	}
	sess, err := std.NewSessions(cfg).Client(l, uint32(77+i))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sess.Close(errTestEnds) })
	return sess, l
}

var errTestEnds = errors.New("test ends")

func open(t *testing.T, s *std.Session) *std.Stream {
	t.Helper()
	st, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// echo sends text on a stream and wants it back.
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
	if err := within(t, "the echo", done); err != nil {
		t.Fatal(err)
	}
}

// target listens and gives each connection to handle.
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
