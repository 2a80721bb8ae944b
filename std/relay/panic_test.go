package relay

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"testing"

	"kcptun/std/rescue"
	"kcptun/std/shutdown"
	"kcptun/std/testkit"
)

// faulty is an end of a relay whose methods panic.
type faulty struct{ io.ReadWriteCloser }

func (faulty) Read([]byte) (int, error) { panic("a fault") }

// A panic in one direction ends that relay only; another relay of the same group goes on.
// It used to end the program.
func TestPanicEndsTheStream(t *testing.T) {
	testkit.NoLeak(t)
	group := &shutdown.Group{Panics: &rescue.Net{Log: slog.New(slog.DiscardHandler)}}
	run := func(wrap func(io.ReadWriteCloser) io.ReadWriteCloser) (app, target io.ReadWriteCloser, done chan Result) {
		x, a := testkit.TCPPair(t)
		b, y := testkit.TCPPair(t)
		ends := new(shutdown.Closers)
		ends.Add(a)
		ends.Add(b)
		done = make(chan Result, 1)
		group.Go(ends, func() { done <- Carry{A: wrap(a), B: b, Group: group}.relay() })
		return testkit.Deadline(t, x), testkit.Deadline(t, y), done
	}
	good, far, goodEnds := run(func(c io.ReadWriteCloser) io.ReadWriteCloser { return c })
	app, target, ended := run(func(c io.ReadWriteCloser) io.ReadWriteCloser { return faulty{c} })
	var p *rescue.Panic
	if r := testkit.Within(t, "the end of the relay", ended); !errors.As(r.ErrA, &p) || !r.FirstA || group.Panics.Caught() != 1 {
		t.Errorf("%+v, %d caught", r, group.Panics.Caught())
	}
	for _, end := range []io.ReadWriteCloser{app, target} {
		if _, err := end.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("an end is left open: ", err)
		}
	}
	if _, err := good.Write([]byte("on")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(far, make([]byte, 2)); err != nil {
		t.Error("the other relay: ", err)
	}
	good.Close()
	far.Close()
	testkit.Within(t, "the end of the other", goodEnds)
	closed := make(chan struct{})
	ends := new(shutdown.Closers)
	ends.Add(shutdown.CloserFunc(func() { close(closed) }))
	group.Go(ends, func() { panic("before there is a relay") })
	testkit.Within(t, "what panicked is closed", closed)
	group.Finish(testkit.Patience)
	if n := group.Panics.Caught(); n != 2 {
		t.Errorf("%d caught", n)
	}
}
