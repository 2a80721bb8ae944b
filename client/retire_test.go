package main

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"kcptun/e2e/lab"
	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/testkit"
)

// expiring returns a pool whose session, with its stream, expires after a second. The server
// does not follow.
func expiring(t *testing.T, scavenge int) (*pool, *testkit.Logbook, *session.Session, *mux.Stream) {
	t.Helper()
	testkit.NoLeak(t)
	cfg := newStayingServer(t)
	cfg.AutoExpire, cfg.ScavengeTTL = 1, scavenge
	p, book := newTestPool(t, cfg)
	sess, st := sessionWithStream(t, p)
	return p, book, sess, st
}

// If the server does not follow, an expired session is replaced before it ends: its streams
// go on, and it is closed after the last of them.
func TestPoolExpiry(t *testing.T) {
	p, book, old, st := expiring(t, 60)
	testkit.Eventually(t, "it expires", func() bool { return book.Count("session expired") == 1 })
	if sessionOf(t, p) == old {
		t.Error("the expired session again")
	}
	if _, err := old.Open(); !errors.Is(err, session.ErrRetired) {
		t.Error(err)
	}
	echoStream(t, st)
	if old.Err() != nil {
		t.Error("closed with a stream:", old.Err())
	}
	st.Close()
	testkit.Within(t, "closed when idle", old.Done())
	testkit.Eventually(t, "the reason is logged", func() bool { return book.Count("expired and idle") == 1 })
}

// scavengettl limits how long an expired session keeps its streams.
func TestPoolScavenge(t *testing.T) {
	_, book, old, st := expiring(t, 0)
	testkit.Within(t, "closed with its stream", old.Done())
	if _, err := st.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Error("the stream's end is no good one:", err)
	}
	st.Close()
	testkit.Eventually(t, "the reason is logged", func() bool { return book.Count("scavengettl is over with 1 streams open") > 0 })
}

// With a scavengettl of -1 no stream is cut, and the session ends with its last stream.
func TestPoolScavengesNever(t *testing.T) {
	_, book, old, st := expiring(t, -1)
	testkit.Eventually(t, "it expires", func() bool { return book.Count("session expired") == 1 })
	testkit.Contains(t, book.String(), `closed="when idle"`)
	echoStream(t, st)
	st.Close()
	testkit.Within(t, "closed when idle", old.Done())
	testkit.Eventually(t, "the reason is logged", func() bool { return book.Count("expired and idle") == 1 })
}

// If the server follows, a session with streams expires again and again, and each time it
// goes on from another port. New streams get it too, unless the server has other ports.
// Without streams it ends. It used to be cut after scavengettl.
func TestPoolHops(t *testing.T) {
	for name, c := range map[string]struct {
		ports  int
		others string // servers in the list
	}{
		"one port": {1, ""}, "a range": {2, ""}, "one port, and a range of another server": {1, ",127.0.0.2:1-2"},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			ports := c.ports
			first, err := lab.FreePorts(ports)
			if err != nil {
				t.Fatal(err)
			}
			for port := first; port < first+ports; port++ {
				newEchoServerAt(t, fmt.Sprintf("127.0.0.1:%d", port))
			}
			cfg := clientConfig(fmt.Sprintf("127.0.0.1:%d-%d", first, first+ports-1) + c.others)
			cfg.AutoExpire, cfg.ScavengeTTL = 1, 1
			p, book := newTestPool(t, cfg)
			sess := sessionOf(t, p)
			st, err := sess.Open()
			if err != nil {
				t.Fatal(err)
			}
			for hops := range 3 {
				echoStream(t, st)
				was := sess.LocalAddr().String()
				testkit.Eventually(t, "it goes on from another port", func() bool { return book.Count("it goes on from another port") > hops })
				if now := sess.LocalAddr().String(); now == was {
					t.Error("the port is the same:", now)
				}
			}
			echoStream(t, st)
			select {
			case <-sess.Retired():
				if ports == 1 {
					t.Error("it takes no new streams")
				}
			default:
				if ports > 1 {
					t.Error("it takes new streams")
				}
			}
			st.Close()
			testkit.Within(t, "closed when idle", sess.Done())
			testkit.Eventually(t, "the reason is logged", func() bool { return book.Count("expired and idle") == 1 })
		})
	}
}
