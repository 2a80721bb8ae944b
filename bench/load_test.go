package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// direct is a load on a target without a tunnel.
func direct(t *testing.T) (load, *lab.Target) {
	t.Helper()
	tg, err := lab.StartTarget("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { tg.Close() })
	return load{lab.DialTo(tg.Addr())}, tg
}

func TestLoad(t *testing.T) {
	l, tg := direct(t)
	ctx := patient(t)
	const n = 3_000_017
	var moved atomic.Int64
	must(t, l.pull(ctx, n, &moved))
	must(t, l.push(ctx, n, &moved))
	if moved.Load() != 2*n || tg.Received() != n {
		t.Errorf("moved %d of %d, pushed %d of %d", moved.Load(), 2*n, tg.Received(), n)
	}
	times, err := l.echoes(ctx, 5)
	must(t, err)
	if len(times) != 5 {
		t.Errorf("%d echoes", len(times))
	}
	must(t, l.request(ctx))
	p, err := l.idle(ctx)
	must(t, err)
	_, err = p.Ping()
	must(t, err)
}

func TestLoadEndsWithContext(t *testing.T) {
	l, _ := direct(t)
	reason := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 50*time.Millisecond, reason)
	defer cancel()
	if err := l.pull(ctx, endless, new(atomic.Int64)); !errors.Is(err, reason) {
		t.Errorf("%v, want %v", err, reason)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if times, err := l.echoes(ctx, 1<<30); err != nil || len(times) == 0 {
		t.Errorf("echoes cut short: %d, %v", len(times), err)
	}
}

func TestParallel(t *testing.T) {
	var sum atomic.Int64
	must(t, parallel(100, 7, func(i int) error { sum.Add(int64(i)); return nil }))
	if sum.Load() != 4950 {
		t.Errorf("sum %d", sum.Load())
	}
	fault := errors.New("fault")
	if err := parallel(1<<30, 3, func(i int) error { return fault }); !errors.Is(err, fault) {
		t.Errorf("%v", err)
	}
}

// A message still under way at the end has taken at least this long.
func TestEchoUnderWayAtTheEnd(t *testing.T) {
	l, _ := direct(t)
	dial := l.dial
	l.dial = func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		return &stalling{Conn: c}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	times, err := l.echoes(ctx, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	if last := times[len(times)-1]; last < 500*time.Millisecond {
		t.Errorf("the slowest of %d took %v; one waited for nearly a second", len(times), last)
	}
}

// stalling answers three times and then stops.
type stalling struct {
	net.Conn
	reads int
}

func (s *stalling) Read(b []byte) (int, error) {
	if s.reads++; s.reads <= 3 {
		return s.Conn.Read(b)
	}
	if _, err := io.Copy(io.Discard, s.Conn); err != nil {
		return 0, err
	}
	return 0, io.EOF
}
