//go:build unix

package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kcptun/std/build"
	"kcptun/std/mux"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// reset ends a connection like a program that is killed.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	conn.Close()
}

// An application that resets its connection while its stream waits for room ends the stream
// at both ends. That used to be noticed only when there was room again, perhaps never.
// Another stream occupies the connection, where one write of a session may block.
func TestRelayNoticesResetWithoutRoom(t *testing.T) {
	for _, version := range []int{1, 2} {
		for _, qpp := range []bool{false, true} {
			if qpp && !build.QPP {
				continue
			}
			t.Run(fmt.Sprintf("smux %d, QPP %t", version, qpp), func(t *testing.T) {
				testkit.NoLeak(t)
				cc, sc := memoryConfigs(version, qpp)
				u, pad := sessions.NewPair(t, cc, sc), padFor(cc)
				app, a := testkit.TCPPair(t)
				done := make(chan Result, 1)
				go func() { done <- Between(a, pad.Wrap(u.Near), 0) }()
				other, otherFar := u.Open(t)
				failed := make(chan error, 2)
				for _, w := range []io.Writer{other, app} {
					var written atomic.Int64
					go fill(w, &written, failed)
					still(t, "it to be full", &written)
				}
				reset(app)
				if got := testkit.Within(t, "the relay's end", done); !errors.Is(got.ErrA, syscall.ECONNRESET) || !got.FirstA {
					t.Errorf("%+v", got)
				}
				rest := testkit.Gather(otherFar) // makes room
				if got := testkit.Within(t, "the end at the other end", testkit.Gather(u.Far)); got.Err != mux.ErrReset {
					t.Error(got.Err)
				}
				u.Close()
				testkit.Within(t, "the other stream's end", rest)
				for range cap(failed) {
					testkit.Within(t, "a writer's end", failed)
				}
			})
		}
	}
}

// An application that has finished sending, and then closes its connection, resets it when
// something comes for it. What it has sent is whole all the same, even if there is no room
// for it in the stream yet. It used to be cut.
func TestResetBehindTheEndCutsNothing(t *testing.T) {
	testkit.NoLeak(t)
	cc, sc := memoryConfigs(2, false)
	u := sessions.NewPair(t, cc, sc)
	app, a := testkit.TCPPair(t)
	done := make(chan Result, 1)
	go func() { done <- Between(a, u.Near, 0) }()
	other, otherFar := u.Open(t)
	failed := make(chan error, 1)
	var written atomic.Int64
	go fill(other, &written, failed)
	still(t, "it to be full", &written)
	const size = 100 << 10
	if _, err := app.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	app.Close()
	if _, err := u.Far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * resetLook)        // or the watch may not have looked, and the test could not fail
	rest := testkit.Gather(otherFar) // makes room
	if got := testkit.Within(t, "the end at the other end", testkit.Gather(u.Far)); got.N != size || got.Err != nil {
		t.Errorf("%d of %d bytes, and then %v", got.N, size, got.Err)
	}
	u.Far.Close()
	testkit.Within(t, "the relay's end", done)
	u.Close()
	testkit.Within(t, "the other stream's end", rest)
	testkit.Within(t, "a writer's end", failed)
}

// If an application has finished sending and then disappears, its target is closed, too.
// The target may have nothing to send, and would otherwise never learn of it.
func TestRelayNoticesResetAfterHalfClose(t *testing.T) {
	for _, fromApp := range []bool{true, false} {
		r := newRelay(t, substrates[0], 0)
		near, far := r.app, r.target
		if !fromApp {
			near, far = far, near
		}
		closeWrite(t, near)
		if n, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(n, err)
		}
		reset(near.(*net.TCPConn))
		got := testkit.Within(t, "the relay's end", r.result)
		if fromApp {
			got.ErrA, got.ErrB = got.ErrB, got.ErrA
		}
		if got.ErrB != nil || got.ErrA == nil || got.FirstA != fromApp {
			t.Errorf("from the application %t: %+v", fromApp, got)
		}
		testkit.Contains(t, got.ErrA.Error(), "nobody is left to receive it")
		if _, err := far.Write(make([]byte, 1)); err == nil {
			_, err = far.Read(make([]byte, 1))
			if err == nil {
				t.Error("the other end is not told")
			}
		}
	}
}

// A connection that is reset in the middle of a transfer is reset at the other end, too,
// behind all that was sent on it, whichever end it is, and whether or not the other
// direction has finished. The other end used to see an ordinary end, and took a part for
// the whole.
func TestResetIsPassedOn(t *testing.T) {
	for _, version := range []int{1, 2} {
		for _, qpp := range []bool{false, true} {
			for _, fromApp := range []bool{true, false} {
				for _, half := range []bool{false, true} {
					if qpp && !build.QPP {
						continue
					}
					t.Run(fmt.Sprintf("smux %d, QPP %t, from the application %t, other direction finished %t", version, qpp, fromApp, half), func(t *testing.T) {
						testkit.NoLeak(t)
						r := newRelays(t, version, qpp)
						near, far, farResult := r.app, r.target, r.atServer
						if !fromApp {
							near, far, farResult = far, near, r.atClient
						}
						if half {
							closeWrite(t, far)
							if n, err := near.Read(make([]byte, 1)); err != io.EOF {
								t.Fatal(n, err)
							}
						}
						sent := testkit.RandomBytes(1, 100_000)
						send(t, near, sent)
						if _, err := io.ReadFull(far, make([]byte, len(sent))); err != nil {
							t.Fatal(err)
						}
						reset(near)
						readsReset(t, far, 0)
						got := testkit.Within(t, "the relay's end", farResult)
						if !errors.Is(errors.Join(got.ErrA, got.ErrB), mux.ErrReset) {
							t.Errorf("%+v", got)
						}
						r.end()
					})
				}
			}
		}
	}
}

// A connection that was finished before it is reset has been sent whole.
func TestResetAfterTheEnd(t *testing.T) {
	for _, version := range []int{1, 2} {
		testkit.NoLeak(t)
		r := newRelays(t, version, false)
		send(t, r.app, []byte("all of it"))
		closeWrite(t, r.app)
		if got := testkit.Within(t, "the end", testkit.Gather(r.target)); got != testkit.SumOf([]byte("all of it")) {
			t.Errorf("smux %d: %+v", version, got)
		}
		reset(r.app)
		testkit.Eventually(t, "the target's answer finds no reader", func() bool {
			_, _ = r.target.Write([]byte("thanks"))
			return len(r.atServer) > 0
		})
		if got := <-r.atServer; got.ErrA != nil || !errors.Is(got.ErrB, mux.ErrGone) {
			t.Errorf("smux %d: %+v", version, got)
		}
		r.end()
	}
}

// slow is an end that always has something to send, and accepts something only when it is
// told to.
type slow struct {
	plenty
	accept, stop chan struct{}
}

func (s *slow) Write(p []byte) (int, error) {
	select {
	case <-s.accept:
		return len(p), nil
	case <-s.stop:
		return 0, io.ErrClosedPipe
	}
}

func (s *slow) Close() error {
	close(s.stop)
	return nil
}

// The system tells once that a connection was reset. If a write to it learns of that, whoever
// reads it sees an end of file, which is none: the upload is incomplete. It used to depend on
// chance whether that was noticed.
func TestResetThatAWriteHasMet(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems tell it otherwise")
	}
	testkit.NoLeak(t)
	app, a := testkit.TCPPair(t)
	end := &slow{plenty{left: 64 << 20}, make(chan struct{}), make(chan struct{})}
	done := make(chan Result, 1)
	w := newWork(a, end, nil)
	go func() { done <- w.run(limits{last: testkit.Patience}, newGoroutine) }()
	send(t, app, []byte("half"))
	testkit.Eventually(t, "the upload waits", w.fromA.writing.Load)
	reset(app)
	testkit.Within(t, "the download fails", w.fromB.ended)
	close(end.accept)
	if got := testkit.Within(t, "the relay's end", done); !errors.Is(got.ErrA, syscall.ECONNRESET) || w.fromA.whole.Load() {
		t.Errorf("%+v, whole: %t", got, w.fromA.whole.Load())
	}
}

// Any loss of a connection is told once, and a finished one is none.
func TestLossThatAWriteHasMet(t *testing.T) {
	conn, _ := testkit.TCPPair(t)
	for no, want := range map[syscall.Errno]error{
		syscall.ECONNRESET: syscall.ECONNRESET, syscall.ETIMEDOUT: syscall.ETIMEDOUT, syscall.EHOSTUNREACH: syscall.EHOSTUNREACH, syscall.EPIPE: nil,
	} {
		for _, dst := range []io.ReadWriteCloser{conn, &plenty{}} {
			d := newDirection(&plenty{}, dst, nil)
			d.begin()
			_, _ = d.end(0, &net.OpError{Op: "write", Err: os.NewSyscallError("write", no)})
			if dst != conn {
				want = nil
			}
			if got := d.lossOfDst(); !errors.Is(got, want) {
				t.Errorf("%v at %T: %v, want %v", no, dst, got, want)
			}
		}
	}
}

// relays connect an application with its target over a session.
type relays struct {
	app, target        *net.TCPConn
	atClient, atServer chan Result
	end                func()
}

func newRelays(t *testing.T, version int, qpp bool) relays {
	t.Helper()
	cc, sc := memoryConfigs(version, qpp)
	u, pad := sessions.NewPair(t, cc, sc), padFor(cc)
	app, a := testkit.TCPPair(t)
	b, target := testkit.TCPPair(t)
	testkit.Deadline(t, app)
	testkit.Deadline(t, target)
	r := relays{app, target, make(chan Result, 1), make(chan Result, 1), u.Close}
	go func() { r.atClient <- Between(a, pad.Wrap(u.Near), 0) }()
	go func() { r.atServer <- Between(pad.Wrap(u.Far), b, 0) }()
	return r
}
