package main

import (
	"io"
	"testing"

	"kcptun/std/testkit"
)

// In mode auto, a connection that arrives during a download gets another session, and the
// first session again when the download is over.
func TestPoolKeepsBulkApart(t *testing.T) {
	testkit.NoLeak(t)
	cfg := clientConfig(newEchoServer(t).Addr)
	cfg.Mode = "auto"
	p, book := newTestPool(t, cfg)
	first := p.pick()
	sess, err := p.session(limited(t, testkit.Patience), first)
	if err != nil {
		t.Fatal(err)
	}
	small, err := sess.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	echoStream(t, small)
	if p.pick() != first {
		t.Error("a few bytes drive the next connection to another session")
	}
	large, err := sess.Open()
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 2)
	go func() {
		var err error
		for buf := make([]byte, 32<<10); err == nil; {
			select {
			case <-stop:
				done <- large.CloseWrite()
				return
			default:
				_, err = large.Write(buf)
			}
		}
		done <- err
	}()
	go func() {
		_, err := io.Copy(io.Discard, large)
		done <- err
	}()
	testkit.Eventually(t, "the next connection is kept apart", func() bool { return p.pick() != first })
	other, err := p.session(limited(t, testkit.Patience), p.pick())
	if err != nil {
		t.Fatal(err)
	}
	if other == sess {
		t.Error("the other slot has the same session")
	}
	close(stop)
	for range 2 {
		if err := testkit.Within(t, "the end of the bulk", done); err != nil {
			t.Error(err)
		}
	}
	large.Close()
	small.Close() // the bulk counts as use of the session for a while, as long as it has streams
	testkit.Eventually(t, "the first session is free again", func() bool { return p.pick() == first })
	echoOn(t, other)
	testkit.Eventually(t, "two sessions are open", func() bool { return book.Count("session opened") == 2 })
}

// In mode auto, a connection does not get a session that receives nothing because an
// application does not read, though no other carries less traffic.
func TestPoolAvoidsAFullSession(t *testing.T) {
	testkit.NoLeak(t)
	cfg := clientConfig(newEchoServer(t).Addr)
	cfg.Mode, cfg.SmuxVer = "auto", 1 // which has no windows
	p, _ := newTestPool(t, cfg)
	first := p.pick()
	sess, err := p.session(limited(t, testkit.Patience), first)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sess.Open()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for buf := make([]byte, 32<<10); err == nil; {
			_, err = st.Write(buf)
		}
		done <- err
	}()
	testkit.Eventually(t, "the session has come to a halt, and is avoided", func() bool {
		return sess.Load() < bulk && p.pick() != first && sess.IsFull()
	})
	st.Close()
	testkit.Within(t, "the end of the writer", done)
	testkit.Eventually(t, "the session is free again", func() bool { return p.pick() == first })
}
