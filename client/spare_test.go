package main

import (
	"strings"
	"testing"
	"time"

	"kcptun/std/clock"
	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/testkit"
)

// newAutoPool returns a pool of mode auto and its log.
func newAutoPool(t *testing.T, lately time.Duration) (*pool, *testkit.Logbook) {
	t.Helper()
	testkit.NoLeak(t)
	cfg := clientConfig(newEchoServer(t).Addr)
	cfg.Mode = "auto"
	d, book := newTestDialer(t, cfg)
	p := startPool(d.cfg, d.env, d, lately)
	t.Cleanup(p.close)
	return p, book
}

// typeUntil exchanges a few bytes on a stream now and then until cond is true.
func typeUntil(t *testing.T, st *mux.Stream, what string, cond func() bool) {
	t.Helper()
	testkit.Eventually(t, what, func() bool {
		echoStream(t, st)
		return cond()
	})
}

func (s *spares) set(opened, pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened, s.pause = opened, pause
}

func (s *spares) next() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pause
}

func (p *pool) sessions() (all []*session.Session) {
	for _, s := range p.slots {
		if sess := s.live.Load(); sess != nil {
			all = append(all, sess)
		}
	}
	return all
}

// In mode auto, a download that begins while somebody types gets another session, which the
// server has answered before. It used to share the one of the keystrokes, which then waited
// behind its losses.
func TestPoolKeepsUseApart(t *testing.T) {
	p, book := newAutoPool(t, lately)
	p.spares.set(clock.Now(), sparePause) // so that none is opened now
	first := p.pick()
	sess, st := sessionWithStream(t, p)
	if first.ready() != sess {
		t.Fatal("the first stream is not in the first slot")
	}
	if p.pick() != first {
		t.Error("one answer drives the next connection to another session")
	}
	typeUntil(t, st, "the stream is in use", func() bool { return sess.UsedWithin(lately) })
	if p.pick() != first {
		t.Error("a connection has to wait for a new session, because a stream is in use")
	}
	p.spares.set(0, 0)
	typeUntil(t, st, "another session is ready", func() bool { return p.pick() != first })
	testkit.Eventually(t, "two sessions are open", func() bool { return book.Count("session opened") == 2 })
	other := p.pick().ready()
	if other == nil || other == sess || !other.Answered() {
		t.Error("the other session is not ready")
	}
	st.Close()
	if p.pick() != first {
		t.Error("with no stream in use, a connection gets another session than the first one")
	}
}

// Streams that are silent after their first answers leave a client with one session.
func TestPoolKeepsOneSession(t *testing.T) {
	p, book := newAutoPool(t, lately)
	sess, _ := sessionWithStream(t, p)
	for range 8 {
		st, err := sess.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		echoStream(t, st)
		time.Sleep(150 * time.Millisecond) // so that the first and the last are more than a second apart
	}
	if sess.UsedWithin(lately) || len(p.sessions()) != 1 || book.Count("session opened") != 1 {
		t.Errorf("%d sessions", len(p.sessions()))
	}
}

// When nothing is in use any more, a session without streams ends, and one stays.
func TestPoolComesToRest(t *testing.T) {
	for name, open := range map[string]bool{"a silent stream": true, "no stream": false} {
		t.Run(name, func(t *testing.T) {
			p, book := newAutoPool(t, 2*time.Second)
			sess, st := sessionWithStream(t, p)
			typeUntil(t, st, "another session is open", func() bool { return book.Count("session opened") == 2 })
			if !open {
				st.Close()
			}
			testkit.Eventually(t, "one of them is closed", func() bool { return book.Count("not needed and idle") == 1 })
			left := p.sessions()
			if len(left) != 1 {
				t.Fatalf("%d sessions are left, want 1", len(left))
			}
			if open && left[0] != sess {
				t.Error("the session with the stream has gone")
			}
			for _, s := range p.slots {
				if p.release(s) {
					t.Error("the last session is released")
				}
			}
			if open {
				echoStream(t, st)
			}
			echoOn(t, left[0])
		})
	}
}

// A path may let one flow pass and no second one, or the server's name may not resolve any
// more. The log says once that there is no second session, nothing else comes of it, and
// the next try is later each time, until one succeeds.
func TestPoolWithoutASpare(t *testing.T) {
	for name, c := range map[string]struct{ addrs []string }{
		"no answer": {[]string{"127.0.0.2"}}, "no address": {nil},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			_, port, _ := strings.Cut(newEchoServer(t).Addr, ":")
			cfg := clientConfig("name:" + port)
			cfg.Mode = "auto"
			d, book := newTestDialer(t, cfg)
			of := &names{addrs: []string{"127.0.0.1"}}
			d.resolver = of
			p := newPool(d.cfg, d.env, d)
			t.Cleanup(p.close)
			_, st := sessionWithStream(t, p)
			of.set(c.addrs...)
			for _, pause := range []time.Duration{sparePause, 2 * sparePause, 4 * sparePause} {
				typeUntil(t, st, "a spare is tried", func() bool { return p.spares.next() == pause })
				typeUntil(t, st, "the log says that there is none", func() bool { return book.Count("no second session for now") == 1 })
				testkit.Eventually(t, "it is gone", func() bool { return len(p.sessions()) == 1 })
				p.spares.set(0, pause) // the next one is due
			}
			if n := book.Count("level="); n != 2 || d.doubt.Load() { // with "session opened"
				t.Errorf("more comes of it: doubt %v, and %s", d.doubt.Load(), book)
			}
			of.set("127.0.0.1")
			typeUntil(t, st, "a spare is open", func() bool {
				p.spares.set(0, spareLongest)
				return book.Count("session opened") == 2
			})
		})
	}
}
