package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"kcptun/e2e/lab"
	"kcptun/std/config"
	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
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

// A stream that begins while its session expires without one goes on elsewhere, or with the
// session. It used to be cut after scavengettl: the session was taken for one without
// streams, and took them for a moment longer.
func TestPoolExpiresInOrder(t *testing.T) {
	testkit.NoLeak(t)
	cfg := clientConfig(newEchoServer(t).Addr)
	cfg.AutoExpire, cfg.ScavengeTTL = 1, 0
	d, book := newTestDialer(t, cfg)
	told := make(chan error, 1)
	var sess atomic.Pointer[session.Session]
	d.env.Log = slog.New(atMessage{d.env.Log.Handler(), "session expired, it takes no new streams", func() {
		_, err := sess.Load().Open()
		told <- err
	}})
	p := newPool(d.cfg, d.env, d)
	t.Cleanup(p.close)
	sess.Store(sessionOf(t, p))
	echoOn(t, sess.Load())
	if err := testkit.Within(t, "it expires", told); !errors.Is(err, session.ErrRetired) {
		t.Errorf("a stream begins on the expired session: %v", err)
	}
	testkit.Eventually(t, "the reason is logged", func() bool { return book.Count("expired and idle") == 1 })
}

// atMessage calls do before it logs a message.
type atMessage struct {
	slog.Handler
	message string
	do      func()
}

func (h atMessage) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.do()
	}
	return h.Handler.Handle(ctx, r)
}

// The last of an upload has as long as it takes when its session is out of service and its
// stream has ended. It had two seconds.
func TestPoolDeliversTheLast(t *testing.T) {
	for _, mode := range []string{"fast", "auto"} {
		t.Run(mode, func(t *testing.T) {
			testkit.NoLeak(t)
			const size, rate = 256 << 10, 64 << 10
			got := make(chan int64, 1)
			c := sessions.Config(config.Server)
			c.Crypt, c.Mode = "null", mode // a server that does not follow its clients
			server := sessions.Serve(t, c, "127.0.0.1:0", func(s *session.Session) {
				st, err := s.Accept()
				if err == nil {
					n, _ := io.Copy(io.Discard, st)
					got <- n
					st.Close()
					_, err = s.Accept() // fails when the session ends
				}
				s.Close(err)
			})
			relay, err := lab.NewRelay(lab.RelayConfig{Server: server.Addr, Up: lab.Fault{Rate: rate}, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { relay.Close() })
			cfg := clientConfig(relay.Addr())
			cfg.Crypt, cfg.Mode, cfg.AutoExpire, cfg.ScavengeTTL = "null", mode, 1, -1
			p, book := newTestPool(t, cfg)
			st, err := sessionOf(t, p).Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := st.Write(randomBytes(size)); err != nil {
				t.Fatal(err)
			}
			st.Close()
			if n := testkit.Within(t, "the end of the upload", got); n != size {
				t.Errorf("%d bytes have arrived, want %d", n, size)
			}
			testkit.Eventually(t, "the reason is logged", func() bool { return book.Count("expired and idle") == 1 })
		})
	}
}

// randomBytes returns reproducible bytes that do not compress.
func randomBytes(size int) []byte {
	p := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
}
