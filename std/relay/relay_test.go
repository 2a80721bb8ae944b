package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/config"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// substrate makes connections of one kind.
type substrate struct {
	name string
	pair func(t *testing.T) (a, b net.Conn)
	half bool // one direction can be closed separately
}

var substrates = []substrate{
	{"tcp", func(t *testing.T) (net.Conn, net.Conn) { a, b := testkit.TCPPair(t); return a, b }, true},
	{"unix", func(t *testing.T) (net.Conn, net.Conn) { return testkit.UnixPair(t) }, true},
	{"pipe", func(t *testing.T) (net.Conn, net.Conn) {
		a, b := net.Pipe()
		t.Cleanup(func() { a.Close(); b.Close() })
		return a, b
	}, false},
}

// relayed is a relay with the two ends that talk over it.
type relayed struct {
	app, target net.Conn
	result      chan Result
}

func newRelay(t *testing.T, s substrate, quiet time.Duration) relayed {
	t.Helper()
	testkit.NoLeak(t)
	app, a := s.pair(t)
	b, target := s.pair(t)
	r := relayed{testkit.Deadline(t, app), testkit.Deadline(t, target), make(chan Result, 1)}
	go func() { r.result <- Between(a, b, quiet) }()
	return r
}

func closeWrite(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(halfCloser).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, c net.Conn, data []byte) {
	t.Helper()
	if n, err := c.Write(data); err != nil || n != len(data) {
		t.Fatal(n, err)
	}
}

// overHalfClosers runs test over each substrate that can half-close, once from the
// application's side and once from the target's.
func overHalfClosers(t *testing.T, quiet time.Duration, test func(t *testing.T, near, far net.Conn, r relayed, fromApp bool)) {
	for _, s := range substrates {
		if !s.half {
			continue
		}
		for _, fromApp := range []bool{true, false} {
			t.Run(s.name+map[bool]string{true: "/app", false: "/target"}[fromApp], func(t *testing.T) {
				r := newRelay(t, s, quiet)
				if fromApp {
					test(t, r.app, r.target, r, true)
				} else {
					test(t, r.target, r.app, r, false)
				}
			})
		}
	}
}

// One end finishes. The other sees it at once and may answer as long as it likes.
func TestRelayHalfClose(t *testing.T) {
	overHalfClosers(t, 0, func(t *testing.T, near, far net.Conn, r relayed, fromApp bool) {
		send(t, near, []byte("question"))
		closeWrite(t, near)
		if got, err := io.ReadAll(far); string(got) != "question" || err != nil {
			t.Fatal(string(got), err)
		}
		for _, part := range []string{"the ", "answer"} {
			send(t, far, []byte(part))
			got := make([]byte, len(part))
			if _, err := io.ReadFull(near, got); err != nil || string(got) != part {
				t.Fatal(string(got), err)
			}
		}
		far.Close()
		if got, err := io.ReadAll(near); len(got) != 0 || err != nil {
			t.Fatal(got, err)
		}
		want := Result{FromA: 8, FromB: 10, FirstA: true}
		if !fromApp {
			want = Result{FromA: 10, FromB: 8}
		}
		if got := testkit.Within(t, "the relay ends", r.result); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// Megabytes in both directions at once all arrive, whoever finishes first.
func TestRelayBigTransfers(t *testing.T) {
	overHalfClosers(t, testkit.Patience, func(t *testing.T, near, far net.Conn, r relayed, _ bool) {
		there, back := testkit.RandomBytes(1, 3<<20), testkit.RandomBytes(2, 5<<20)
		for conn, data := range map[net.Conn][]byte{near: there, far: back} {
			go func() { _, _ = conn.Write(data); _ = conn.(halfCloser).CloseWrite() }()
		}
		atFar, atNear := testkit.Gather(far), testkit.Gather(near)
		if got := testkit.Within(t, "all at the far end", atFar); got != testkit.SumOf(there) {
			t.Errorf("%d bytes of %d, %v", got.N, len(there), got.Err)
		}
		if got := testkit.Within(t, "all at the near end", atNear); got != testkit.SumOf(back) {
			t.Errorf("%d bytes of %d, %v", got.N, len(back), got.Err)
		}
		if got := testkit.Within(t, "the relay ends", r.result); got.ErrA != nil || got.ErrB != nil || got.FromA+got.FromB != 8<<20 {
			t.Errorf("%+v", got)
		}
	})
}

// A slow reader still gets everything after both ends have finished.
func TestRelaySlowReader(t *testing.T) {
	overHalfClosers(t, 0, func(t *testing.T, near, far net.Conn, r relayed, _ bool) {
		data := testkit.RandomBytes(3, 4<<20)
		go func() { _, _ = near.Write(data); near.Close() }()
		closeWrite(t, far)
		var got bytes.Buffer
		for {
			n, err := io.CopyN(&got, far, 512<<10)
			time.Sleep(time.Millisecond)
			if err != nil {
				if n != 0 && !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				break
			}
		}
		if !bytes.Equal(got.Bytes(), data) {
			t.Errorf("%d bytes of %d", got.Len(), len(data))
		}
		testkit.Within(t, "the relay ends", r.result)
	})
}

// An error at one end ends both directions, and the result names that end. The other end
// sees a reset: it used to see an ordinary end, as after a complete transfer.
func TestRelayError(t *testing.T) {
	for _, fromApp := range []bool{true, false} {
		r := newRelay(t, substrates[0], 0)
		near, far := r.app, r.target
		if !fromApp {
			near, far = far, near
		}
		if err := near.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		near.Close() // a reset
		if _, err := io.ReadAll(far); !isReset(err) {
			t.Error("the other end sees", err)
		}
		got := testkit.Within(t, "the relay ends", r.result)
		mine, others := got.ErrA, got.ErrB
		if !fromApp {
			mine, others = others, mine
		}
		if mine == nil || !strings.Contains(mine.Error(), "reset") || others != nil || got.FirstA != fromApp {
			t.Errorf("%+v", got)
		}
	}
}

// Silence after one end has finished ends the relay, but not too early.
func TestRelaySilence(t *testing.T) {
	const quiet = 100 * time.Millisecond
	overHalfClosers(t, quiet, func(t *testing.T, near, far net.Conn, r relayed, fromApp bool) {
		begun := time.Now()
		closeWrite(t, near)
		got := testkit.Within(t, "the relay ends", r.result)
		if took := time.Since(begun); took < quiet {
			t.Errorf("after %v", took)
		}
		cut := got.ErrB
		if !fromApp {
			cut = got.ErrA
		}
		if !errors.Is(cut, errSilent) || got.FirstA != fromApp {
			t.Errorf("%+v", got)
		}
	})
}

// halfPipe is one end of an in-memory connection that can half-close.
type halfPipe struct {
	*io.PipeReader
	*io.PipeWriter
}

func newHalfPipes() (a, b halfPipe) {
	toB, fromA := io.Pipe()
	toA, fromB := io.Pipe()
	return halfPipe{toA, fromA}, halfPipe{toB, fromB}
}

func (p halfPipe) CloseWrite() error { return p.PipeWriter.Close() }

func (p halfPipe) Close() error {
	p.PipeReader.Close()
	return p.PipeWriter.Close()
}

// Each byte restarts the time limit, which begins when an end has finished. It uses the
// monotonic clock, which the test sets here.
func TestRelayTalkIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quiet = 10 * time.Second
		app, a := newHalfPipes()
		b, target := newHalfPipes()
		go func() { _, _ = io.Copy(io.Discard, app.PipeReader) }()
		result := make(chan Result, 1)
		go func() { result <- Between(a, b, quiet) }()
		time.Sleep(3 * quiet)
		if err := app.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			time.Sleep(quiet - time.Millisecond)
			if _, err := target.Write([]byte(".")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		select {
		case got := <-result:
			t.Fatalf("ended while the other end talked: %+v", got)
		default:
		}
		begun := time.Now()
		if got := <-result; !errors.Is(got.ErrB, errSilent) || got.FromB != 10 {
			t.Errorf("%+v", got)
		}
		if took := time.Since(begun); took != quiet {
			t.Errorf("ended after %v of silence, want %v", took, quiet)
		}
	})
}

// With quiet 0, a silent direction stays open.
func TestRelayNoQuiet(t *testing.T) {
	overHalfClosers(t, 0, func(t *testing.T, near, far net.Conn, r relayed, _ bool) {
		closeWrite(t, near)
		if _, err := io.ReadAll(far); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-r.result:
			t.Fatalf("ended: %+v", got)
		case <-time.After(150 * time.Millisecond):
		}
		send(t, far, []byte("still here"))
		far.Close()
		if got, err := io.ReadAll(near); string(got) != "still here" || err != nil {
			t.Error(string(got), err)
		}
		testkit.Within(t, "the relay ends", r.result)
	})
}

// Ends that cannot half-close are closed at once if quiet is 0, or else after the other
// direction has been silent for quiet.
func TestRelayWithoutCloseWrite(t *testing.T) {
	r := newRelay(t, substrates[2], 0)
	go func() { _, _ = r.app.Write([]byte("bye")); r.app.Close() }()
	if got, err := io.ReadAll(r.target); string(got) != "bye" || err != nil {
		t.Error(string(got), err)
	}
	if got := testkit.Within(t, "the relay ends", r.result); got != (Result{FromA: 3, FirstA: true}) {
		t.Errorf("%+v", got)
	}
}

func TestRelayWithoutCloseWriteGoesOn(t *testing.T) {
	testkit.NoLeak(t)
	app, a := testkit.TCPPair(t)
	b, target := net.Pipe()
	defer target.Close()
	done := make(chan Result, 1)
	go func() { done <- Between(a, b, 100*time.Millisecond) }()
	closeWrite(t, testkit.Deadline(t, app))
	send(t, testkit.Deadline(t, target), []byte("late answer"))
	if got, err := io.ReadAll(app); string(got) != "late answer" || err != nil {
		t.Error(string(got), err)
	}
	if got := testkit.Within(t, "the relay ends", done); !errors.Is(got.ErrB, errSilent) || got.FromB != 11 {
		t.Errorf("%+v", got)
	}
}

func TestPipe(t *testing.T) {
	testkit.NoLeak(t)
	app, a := testkit.TCPPair(t)
	b, target := testkit.TCPPair(t)
	done := make(chan [2]error, 1)
	go func() { errA, errB := Pipe(a, b, 30); done <- [2]error{errA, errB} }()
	send(t, app, []byte("x"))
	closeWrite(t, app)
	if got, err := io.ReadAll(testkit.Deadline(t, target)); string(got) != "x" || err != nil {
		t.Error(string(got), err)
	}
	target.Close()
	if got := testkit.Within(t, "Pipe ends", done); got != [2]error{} {
		t.Error(got)
	}
}

// If an application leaves in the middle of a download, the target's connection is closed,
// and the rest of the answer does not cross the link.
func TestRelayEndsWhenThePeerLeaves(t *testing.T) {
	for _, version := range []int{1, 2} {
		cc, sc := sessions.Config(config.Client), sessions.Config(config.Server)
		cc.SmuxVer, sc.SmuxVer = version, version
		u := sessions.NewPair(t, cc, sc)
		target, ours := testkit.TCPPair(t)
		done := make(chan Result, 1)
		go func() { done <- Between(u.Far, ours, 0) }()
		go func() {
			for b := testkit.RandomBytes(1, 64<<10); ; {
				if _, err := target.Write(b); err != nil {
					return
				}
			}
		}()
		if _, err := u.Near.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		u.Near.Close()
		testkit.Within(t, "the end of the relay", done)
		u.Close()
	}
}
