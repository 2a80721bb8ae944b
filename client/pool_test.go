package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/shutdown"
	"kcptun/std/testkit"
)

func newTestDialer(t *testing.T, cfg *Config) (*dialer, *testkit.Logbook) {
	t.Helper()
	if err := cfg.Check(config.Client); err != nil {
		t.Fatal(err)
	}
	env, book := newEnv()
	d, err := newDialer(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	return d, book
}

// newTestPool returns a pool of sessions to server.
func newTestPool(t *testing.T, cfg *Config) (*pool, *testkit.Logbook) {
	t.Helper()
	d, book := newTestDialer(t, cfg)
	p := newPool(cfg, d.env, d)
	t.Cleanup(p.close)
	return p, book
}

func limited(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(context.Background(), d, errNoSession)
	t.Cleanup(cancel)
	return ctx
}

func sessionOf(t *testing.T, p *pool) *session.Session {
	t.Helper()
	s, err := p.session(limited(t, testkit.Patience), p.nextSlot())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// openAll opens the session of each slot. On a busy machine that may take longer than a
// stream waits for the session of its own slot.
func openAll(t *testing.T, p *pool) {
	t.Helper()
	testkit.Eventually(t, "all sessions are open", func() bool {
		sessionOf(t, p)
		return len(p.sessions()) == len(p.slots)
	})
}

func echoStream(t *testing.T, st *mux.Stream) {
	t.Helper()
	if _, err := io.WriteString(st, "echo"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(st, got); err != nil || string(got) != "echo" {
		t.Fatal(string(got), err)
	}
}

// sessionWithStream returns a session of the pool, and a stream on it that echoes.
func sessionWithStream(t *testing.T, p *pool) (*session.Session, *mux.Stream) {
	t.Helper()
	sess := sessionOf(t, p)
	st, err := sess.Open()
	if err != nil {
		t.Fatal(err)
	}
	echoStream(t, st)
	return sess, st
}

// echoOn opens a stream on a session and checks that it echoes.
func echoOn(t *testing.T, sess *session.Session) {
	t.Helper()
	st, err := sess.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	echoStream(t, st)
}

// The next stream gets a new session when the old one has died.
func TestPoolReplacesTheDead(t *testing.T) {
	testkit.NoLeak(t)
	p, book := newTestPool(t, clientConfig(newEchoServer(t).Addr))
	first := sessionOf(t, p)
	if sessionOf(t, p) != first {
		t.Error("a session each time")
	}
	echoOn(t, first)
	first.Close(errors.New("cut by the test"))
	testkit.Eventually(t, "the slot has noticed", func() bool { return book.Count("session lost") == 1 })
	testkit.Contains(t, book.String(), `reason="cut by the test"`)
	again := sessionOf(t, p)
	if again == first {
		t.Error("the dead session again")
	}
	echoOn(t, again)
	testkit.Eventually(t, "two sessions are open", func() bool { return book.Count("session opened") == 2 })
}

func TestPoolTakesTurns(t *testing.T) {
	testkit.NoLeak(t)
	cfg := clientConfig(newEchoServer(t).Addr)
	cfg.Conn = 3
	p, _ := newTestPool(t, cfg)
	openAll(t, p)
	seen := map[*session.Session]int{}
	for range 9 {
		seen[sessionOf(t, p)]++
	}
	if len(seen) != 3 {
		t.Errorf("%d sessions", len(seen))
	}
	for _, n := range seen {
		if n != 3 {
			t.Errorf("%v", seen)
		}
	}
}

// A server whose name does not resolve is tried again until the caller gives up.
func TestPoolGivesUp(t *testing.T) {
	testkit.NoLeak(t)
	p, book := newTestPool(t, clientConfig("no-such-host.invalid:1"))
	begun := time.Now()
	if _, err := p.session(limited(t, 400*time.Millisecond), p.nextSlot()); !errors.Is(err, errNoSession) {
		t.Error(err)
	}
	if took := time.Since(begun); took > testkit.Patience {
		t.Errorf("after %v", took)
	}
	testkit.Contains(t, book.String(), "no session, trying again", "no-such-host.invalid")
	if n := book.Count("trying again"); n > 4 { // at 0, 100 and 300 ms
		t.Errorf("tried %d times", n)
	}
}

// Callers of a pool that has ended get an error, never a nil session.
func TestPoolEnds(t *testing.T) {
	testkit.NoLeak(t)
	for range 20 {
		p, _ := newTestPool(t, clientConfig("no-such-host.invalid:1"))
		asked := make(chan error, 1)
		ctx := limited(t, testkit.Patience)
		go func() {
			s, err := p.session(ctx, p.nextSlot())
			if s == nil && err == nil {
				err = errors.New("neither session nor error")
			} else {
				err = nil
			}
			asked <- err
		}()
		time.Sleep(time.Millisecond)
		p.close()
		if err := testkit.Within(t, "session returns when the pool has ended", asked); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSleep(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	if !sleep(ctx, 0) || !sleep(ctx, -time.Second) || !sleep(ctx, time.Millisecond) {
		t.Error("ended early")
	}
	time.AfterFunc(5*time.Millisecond, cancel)
	if sleep(ctx, time.Hour) || sleep(ctx, 0) {
		t.Error("went on")
	}
}

// The path dies with a full window, and the client is told to end: it must not wait for
// data that can never be sent.
func TestRunEndsOnDeadPath(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the grace of five seconds")
	}
	testkit.NoLeak(t)
	server := newEchoServer(t)
	s := start(t, clientConfig(server.Addr))
	var conns []net.Conn
	for range 4 {
		conns = append(conns, s.dial(t))
		echo(t, conns[len(conns)-1], "hello")
	}
	server.Vanish()
	var stuck sync.WaitGroup
	var written atomic.Int64
	for _, conn := range conns { // fill every window and buffer up to the application
		stuck.Go(func() {
			for {
				n, err := conn.Write(make([]byte, 64<<10))
				written.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
	}
	last := int64(-1)
	testkit.Eventually(t, "all are stuck", func() bool {
		time.Sleep(200 * time.Millisecond)
		before := last
		last = written.Load()
		return last == before
	})
	begun := time.Now()
	if err := s.end(t); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > shutdown.Grace+shutdown.DrainLimit+5*time.Second {
		t.Errorf("took %v", took)
	}
	for _, conn := range conns {
		conn.Close()
	}
	stuck.Wait()
}
