package main

import (
	"errors"
	"io"
	"testing"

	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// deaden opens a session with a stream that echoes, and then removes its server.
func deaden(t *testing.T, p *pool, server *sessions.Server) (*session.Session, *mux.Stream) {
	t.Helper()
	sess, st := sessionWithStream(t, p)
	server.Vanish()
	if _, err := io.WriteString(st, "is there anybody?"); err != nil {
		t.Fatal(err)
	}
	return sess, st
}

// A dead path is noticed because nothing is acknowledged. New connections then get another
// session from another port, while the old session keeps its stream. It used to get all new
// streams until the keepalive gave it up, half a minute later.
func TestPoolLeavesADeadPath(t *testing.T) {
	for _, mode := range []string{"fast3", "auto"} {
		t.Run(mode, func(t *testing.T) {
			testkit.NoLeak(t)
			server := newEchoServer(t)
			cfg := clientConfig(server.Addr)
			cfg.Mode = mode
			p, book := newTestPool(t, cfg)
			sess, st := deaden(t, p, server)
			testkit.Eventually(t, "it is left", func() bool { return book.Count("session cut off") == 1 })
			testkit.Contains(t, book.String(), "silent=", "streams=1")
			if err := sess.Err(); err != nil {
				t.Error("the session was closed, and its path might have recovered:", err)
			}
			st.Close()
			testkit.Within(t, "closed when idle", sess.Done())
			testkit.Eventually(t, "the reason is logged", func() bool { return book.Count("cut off and idle") == 1 })
			newEchoServerAt(t, server.Addr)
			other := sessionOf(t, p)
			if other == sess || other.LocalAddr().String() == sess.LocalAddr().String() {
				t.Fatal("the session whose path is dead, or its port, again")
			}
			echoOn(t, other)
		})
	}
}

// A session that is silent and owes an answer gets no connections; they wait until it is
// known whether its path is dead.
func TestPoolWaitsForTheVerdict(t *testing.T) {
	testkit.NoLeak(t)
	server := newEchoServer(t)
	p, _ := newTestPool(t, clientConfig(server.Addr))
	sess, st := deaden(t, p, server)
	defer st.Close()
	testkit.Eventually(t, "there is doubt", sess.Stalled)
	newEchoServerAt(t, server.Addr)
	if sessionOf(t, p) == sess {
		t.Error("the session that is silent")
	}
}

// Whatever ended one session may have ended all of them. The others get no streams until
// they have proved, without delay, that they are alive.
func TestPoolDoubtsAll(t *testing.T) {
	testkit.NoLeak(t)
	server := newEchoServer(t)
	cfg := clientConfig(server.Addr)
	cfg.Conn = 2
	p, _ := newTestPool(t, cfg)
	openAll(t, p)
	first, second := sessionOf(t, p), sessionOf(t, p)
	for _, s := range []*session.Session{first, second} {
		echoOn(t, s)
	}
	first.Doubt()
	testkit.Eventually(t, "a session that lives is trusted again", func() bool { return !first.Stalled() })
	server.Vanish()
	first.Close(errors.New("cut by the test"))
	testkit.Eventually(t, "the other is not trusted", second.Stalled)
	testkit.Within(t, "and found dead", second.DeadPath())
}

// A path that is slow, or on which nothing is in flight, is not given up.
func TestSessionTrustsALivePath(t *testing.T) {
	testkit.NoLeak(t)
	p, _ := newTestPool(t, clientConfig(newEchoServer(t).Addr))
	sess := sessionOf(t, p)
	st, err := sess.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for range 40 {
		echoStream(t, st)
	}
	testkit.Eventually(t, "a path that answers is trusted", func() bool { return !sess.Stalled() })
	if v := sess.Path(); v.Timeout <= 0 || !v.Answered {
		t.Errorf("the session knows of its path: %+v", v)
	}
}
