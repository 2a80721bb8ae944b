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

// direct is a load on a target without a tunnel between.
func direct(t *testing.T) (load, *target) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	tg := serveTarget(ln, newPattern())
	t.Cleanup(tg.close)
	return load{lab.DialTo(tg.addr()), newPattern()}, tg
}

func TestLoad(t *testing.T) {
	l, tg := direct(t)
	ctx := patient(t)
	const n = 3*patternPeriod + 17 // over the pattern's end, more than once
	var moved atomic.Int64
	must(t, l.pull(ctx, n, &moved))
	must(t, l.push(ctx, n))
	if moved.Load() != n || tg.received.Load() != n {
		t.Errorf("pulled %d, pushed %d of %d", moved.Load(), tg.received.Load(), n)
	}
	times, err := l.echoes(ctx, 5)
	must(t, err)
	if len(times) != 5 {
		t.Errorf("%d echoes", len(times))
	}
	must(t, l.request(ctx))
	conn, err := l.idle(ctx)
	must(t, err)
	must(t, l.ping(conn))
}

// Wrong data is found, wherever it is and whoever receives it.
func TestLoadFindsWrongData(t *testing.T) {
	l, _ := direct(t)
	bad := newPattern()
	bad[patternPeriod-1] ^= 1
	l.data = bad
	if err := l.pull(patient(t), 2*patternPeriod, new(atomic.Int64)); err == nil {
		t.Error("wrong data pulled unseen")
	}
	if err := l.push(patient(t), 2*patternPeriod); err == nil {
		t.Error("wrong data pushed unseen")
	}
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

// A message that is still under way at the end has taken at least so long.
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

// stalling answers three times and then no more.
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
