//go:build unix

package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"kcptun/std/build"
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
				if got := testkit.Within(t, "the end at the other end", testkit.Gather(u.Far)); got.Err != nil {
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
