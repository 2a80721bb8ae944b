package main

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/e2e/lab"
	"kcptun/std/config"
	"kcptun/std/shutdown"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// Regression: when a recorded session was replayed from another address, the server
// connected to the target and sent it the recorded requests again.
func TestRecordedSessionReachesNoTarget(t *testing.T) {
	for _, mode := range []string{"fast3", "auto"} {
		t.Run(mode, func(t *testing.T) { replaySession(t, mode) })
	}
}

func replaySession(t *testing.T, mode string) {
	testkit.NoLeak(t)
	var reached atomic.Int32
	cfg := sessions.Config(config.Server)
	cfg.Mode = mode
	cfg.Target = startTarget(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		reached.Add(1)
		echoes(c)
	})
	s := start(t, cfg, 1)
	relay, err := lab.NewRelay(lab.RelayConfig{Server: s.addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close() })
	recording := relay.Record(1000)
	client := sessions.Config(config.Client)
	client.Mode = mode
	sess, _ := sessions.Dial(t, client, relay.Addr(), 5)
	for range 3 {
		st := open(t, sess)
		echo(t, st, "an order")
		st.Close()
	}
	if n := reached.Load(); n != 3 {
		t.Fatalf("the client reached the target %d times", n)
	}
	again := func(to *started) *lab.Stranger {
		stranger, err := lab.NewStranger(to.addr(), "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stranger.Close() })
		for range 3 {
			if err := stranger.Replay(t.Context(), recording.Datagrams(lab.Up)); err != nil {
				t.Fatal(err)
			}
		}
		return stranger
	}
	again(s)
	late, _ := sessions.Dial(t, client, s.addr(), 6)
	st := open(t, late)
	echo(t, st, "who comes behind it gets in") // everything before it has been handled
	st.Close()
	if n := reached.Load(); n != 4 {
		t.Errorf("the recording reached the target %d times", n-4)
	}
	if n := s.log.Count("session opened"); n != 2 {
		t.Errorf("%d sessions opened", n)
	}
	if err := s.end(t); err != nil {
		t.Error(err)
	}

	// A restarted server does not remember the number, so the recording begins a session,
	// and the server answers the address that replays it.
	next := start(t, cfg, 1)
	stranger := again(next)
	testkit.Eventually(t, "the recording begins a session", func() bool { return stranger.Answers() > 0 })
	late, _ = sessions.Dial(t, client, next.addr(), 7)
	st = open(t, late)
	echo(t, st, "who comes behind it gets in")
	st.Close()
	if n := reached.Load(); n != 5 {
		t.Errorf("the recording reached the target %d times in the next run", n-5)
	}
	begun := time.Now()
	if err := next.end(t); err != nil || time.Since(begun) > shutdown.Grace+shutdown.DrainLimit {
		t.Errorf("with a session that is not confirmed the server ended after %v, %v", time.Since(begun), err)
	}
	testkit.Contains(t, next.log.String(), `conv=5 reason="server ends" times=1`)
	if n := next.log.Count("session opened"); n != 1 {
		t.Errorf("%d sessions opened in the next run", n)
	}
}
