package listen

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/std/testkit"
)

// flaky is a listener whose Accept fails until it is told to succeed.
type flaky struct {
	net.Listener
	mu       sync.Mutex
	failures int
	calls    int
}

var errTooManyFiles = errors.New("accept: too many open files")

func (f *flaky) Accept() (net.Conn, error) {
	f.mu.Lock()
	f.calls++
	fails := f.failures > 0
	f.failures--
	f.mu.Unlock()
	if fails {
		return nil, errTooManyFiles
	}
	return f.Listener.Accept()
}

func TestAcceptLoop(t *testing.T) {
	testkit.NoLeak(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis := &flaky{Listener: inner, failures: 5}
	log, book := testkit.NewLog()
	conns, done := make(chan net.Conn, 2), make(chan error, 1)
	go func() {
		done <- Accept(context.Background(), lis, log, 0, func(c net.Conn) { conns <- c })
	}()
	for range 2 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		testkit.Within(t, "accepted", conns).Close()
	}
	inner.Close()
	if err := testkit.Within(t, "AcceptLoop ends with the listener", done); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	testkit.Contains(t, book.String(), "too many open files", "going on")
	if n := strings.Count(book.String(), "\n"); n != 1 {
		t.Errorf("%d lines for one trouble:\n%s", n, book)
	}
}

func TestAcceptLoopEndsWithContext(t *testing.T) {
	testkit.NoLeak(t)
	log, _ := testkit.NewLog()
	lis := &flaky{failures: 1 << 30}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	begun := time.Now()
	go func() { done <- Accept(ctx, lis, log, 0, func(net.Conn) {}) }()
	testkit.Eventually(t, "a few failures", func() bool { lis.mu.Lock(); defer lis.mu.Unlock(); return lis.calls >= 4 })
	cancel()
	if err := testkit.Within(t, "AcceptLoop ends with the context", done); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	// 5, 10 and 20 ms between the first four calls: it waits instead of spinning.
	if took := time.Since(begun); took < 35*time.Millisecond {
		t.Errorf("four failures in %v", took)
	}
}

// fitful is a listener at which every other Accept fails, as when each connection takes the
// last descriptor and then another one ends.
type fitful struct {
	net.Listener
	calls int
}

func (f *fitful) Accept() (net.Conn, error) {
	if f.calls++; f.calls%2 == 1 {
		return nil, errTooManyFiles
	}
	return f.Listener.Accept()
}

// A problem that recurs after each success is logged once a minute. It used to be logged
// each time.
func TestAcceptLoopLogsSeldom(t *testing.T) {
	testkit.NoLeak(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log, book := testkit.NewLog()
	conns, done := make(chan net.Conn, 5), make(chan error, 1)
	go func() {
		done <- Accept(context.Background(), &fitful{Listener: inner}, log, 0, func(c net.Conn) { conns <- c })
	}()
	for range 5 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Within(t, "accepted", conns).Close()
		conn.Close()
	}
	inner.Close()
	testkit.Within(t, "it ends", done)
	if n := book.Count("accepting failed"); n != 1 {
		t.Errorf("%d lines:\n%s", n, book)
	}
}
