package relay

import (
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/mux"
	"kcptun/std/testkit"
)

// flood is an end that always has something to send and reads nothing.
type flood struct {
	plenty
	stop chan struct{} // closed when a write ends
}

func (f *flood) Write([]byte) (int, error) {
	<-f.stop
	return 0, io.ErrClosedPipe
}

func (f *flood) Close() error {
	if !f.closed.Swap(true) {
		close(f.stop)
	}
	return nil
}

// Both ends send and neither reads, so that nothing moves. When one of them dies, which only
// the write to it notices, the other is told. The relays used to wait for each other's room
// for ever. (With smux 1 a session in which nothing moves receives nothing, and is not told.)
func TestDeadEndAmidFullDirections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newMemoryPair(2, &mux.Hello{Can: mux.CanGoodbye})
		defer p.end()
		near, far := p.open(t)
		app := &flood{plenty{left: 64 << 20}, make(chan struct{})}
		target := &flood{plenty{left: 64 << 20}, make(chan struct{})}
		defer target.Close()
		defer app.Close()
		atClient, atServer := make(chan Result, 1), make(chan Result, 1)
		go func() { atClient <- Between(app, near, 0) }()
		go func() { atServer <- Between(far, target, 0) }()
		time.Sleep(time.Hour)
		if len(atClient)+len(atServer) > 0 {
			t.Fatal("a relay has ended")
		}
		app.Close() // its write fails, and its read does not
		time.Sleep(lastWords + time.Minute)
		if len(atClient) == 0 || len(atServer) == 0 {
			t.Fatalf("%d relays wait", 2-len(atClient)-len(atServer))
		}
		if got := <-atServer; !errors.Is(got.ErrB, mux.ErrGone) || !target.closed.Load() {
			t.Errorf("%+v", got)
		}
	})
}

// early is an end that answers, and then accepts no more of what is sent to it.
type early struct {
	lost
	refuses chan struct{} // closed when it is written to after its answer
	stuck   chan struct{} // a write waits until it is closed
}

func (e *early) Read(p []byte) (int, error) {
	n, err := e.lost.Read(p)
	if err == errLost {
		err = io.EOF
	}
	return n, err
}

func (e *early) Write([]byte) (int, error) {
	<-e.over
	close(e.refuses)
	<-e.stuck
	return 0, mux.ErrGone
}

func (e *early) Close() error {
	if !isClosed(e.stuck) {
		close(e.stuck)
	}
	return nil
}

// An application gets all of an answer that came, and ended, in the middle of its upload,
// however slowly it reads, whether the upload is refused or given up. Its connection used to
// be closed with the rest of the upload unread, which discards what it had not taken.
func TestEarlyAnswerIsDelivered(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not say what a socket has not sent")
	}
	for _, stuck := range []bool{false, true} {
		testkit.NoLeak(t)
		const answer = 100_000
		yb, y := testkit.TCPPair(t)
		if err := errors.Join(y.SetReadBuffer(4<<10), yb.SetWriteBuffer(400<<10)); err != nil {
			t.Fatal(err)
		}
		uploaded := make(chan struct{})
		go func() {
			defer close(uploaded)
			_, _ = y.Write(make([]byte, 8<<20))
		}()
		src, done := &early{lost{left: answer, over: make(chan struct{})}, make(chan struct{}), make(chan struct{})}, make(chan Result, 1)
		if !stuck {
			close(src.stuck)
		}
		lim := limits{quiet: 10 * time.Millisecond, last: testkit.Patience}
		go func() { done <- relay(src, yb, lim, newGoroutine, nil) }()
		testkit.Within(t, "the answer has come", src.refuses)
		if got := testkit.Within(t, "the answer", testkit.Gather(testkit.Deadline(t, y))); got.N != answer {
			t.Errorf("given up %t: %d bytes of %d, %v", stuck, got.N, answer, got.Err)
		}
		testkit.Within(t, "the relay's end", done)
		testkit.Within(t, "the upload's end", uploaded)
	}
}

// hung is an end that neither sends nor accepts anything.
type hung struct{ flood }

func (h *hung) Read([]byte) (int, error) {
	<-h.stop
	return 0, io.ErrClosedPipe
}

// A stream that its other end has reset does not wait for a target that has stopped reading
// for longer than lastWords. It used to wait as long as the target did.
func TestResetBehindAHungTarget(t *testing.T) {
	for _, version := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			p := newMemoryPair(version, &mux.Hello{Can: mux.CanGoodbye})
			defer p.end()
			near, far := p.open(t)
			target, done := &hung{flood{stop: make(chan struct{})}}, make(chan Result, 1)
			defer target.Close()
			go func() { done <- Between(far, target, 0) }()
			go func() { _, _ = near.Write(make([]byte, 100_000)) }() // less than fills the session
			time.Sleep(time.Hour)
			if len(done) > 0 {
				t.Fatal("it ends before the reset")
			}
			_ = near.Reset()
			time.Sleep(lastWords + time.Second)
			if len(done) == 0 {
				t.Fatalf("smux %d: it waits", version)
			}
			if got := <-done; !errors.Is(got.ErrA, mux.ErrReset) || !target.closed.Load() {
				t.Errorf("smux %d: %+v", version, got)
			}
		})
	}
}

// crashed is a flood whose connection a write finds reset.
type crashed struct{ flood }

func (c *crashed) Write(p []byte) (int, error) {
	_, _ = c.flood.Write(p)
	return 0, os.NewSyscallError("write", syscall.ECONNRESET)
}

// SyscallConn makes it a socket.
func (c *crashed) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }

// An application uploads to a target that hangs, and crashes. The system tells that to a write
// of something that the target had sent, and not again, so the upload still waited for room,
// and the target for data: for as long as the session lived.
func TestCrashBehindAHungTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newMemoryPair(2, &mux.Hello{Can: mux.CanGoodbye})
		defer p.end()
		near, far := p.open(t)
		app := &crashed{flood{plenty{left: 64 << 20}, make(chan struct{})}}
		target := &hung{flood{stop: make(chan struct{})}}
		defer target.Close()
		defer app.Close()
		if _, err := far.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		atClient, atServer := make(chan Result, 1), make(chan Result, 1)
		go func() { atClient <- Between(app, near, 0) }()
		go func() { atServer <- Between(far, target, 0) }()
		time.Sleep(time.Hour)
		if len(atClient)+len(atServer) > 0 {
			t.Fatal("a relay ends before the crash")
		}
		app.Close()
		time.Sleep(lastRead + 2*lastWords) // for the upload, and for the target
		if len(atClient) == 0 || len(atServer) == 0 {
			t.Fatalf("relays have ended: %d at the client, %d at the server", len(atClient), len(atServer))
		}
		if got := <-atClient; !errors.Is(got.ErrB, syscall.ECONNRESET) || got.ErrA != errSilent {
			t.Errorf("%+v", got)
		}
		if got := <-atServer; !errors.Is(got.ErrA, mux.ErrReset) {
			t.Errorf("%+v", got)
		}
	})
}

// A target sends an answer and resets its connection, which a write of the upload meets first.
// The application reads slowly, and gets all of the answer.
func TestSlowReaderBehindACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const answer, pace = 2 << 20, 1 << 10 // bytes, and bytes per second
		p := newMemoryPair(2, &mux.Hello{Can: mux.CanGoodbye})
		defer p.end()
		near, far := p.open(t)
		target, done := &crashed{flood{plenty{left: answer}, make(chan struct{})}}, make(chan Result, 1)
		target.Close() // so that a write fails at once
		go func() { done <- Between(target, near, 0) }()
		if _, err := far.Write([]byte("upload")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(far, make([]byte, len("get"))); err != nil {
			t.Fatal(err)
		}
		got := 0
		for b := make([]byte, pace); ; time.Sleep(time.Second) {
			n, err := io.ReadFull(far, b)
			if got += n; err != nil {
				break
			}
		}
		if got != answer {
			t.Errorf("%d bytes of %d have come", got, answer)
		}
		<-done
	})
}
