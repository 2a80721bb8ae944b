package relay

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/mux"
)

// fillUp opens a stream that nobody reads, and sends so much on it that with smux 1 the
// client's session receives nothing more for any stream. The writer ends with the session,
// or once it has been read.
func fillUp(t *testing.T, p memoryPair) (near *mux.Stream, size int) {
	t.Helper()
	near, far := p.open(t)
	size = 4 << 20
	go func() { _, _ = far.Write(make([]byte, size)) }()
	synctest.Wait()
	return near, size
}

// A stream that waits for its turn, behind one that nobody reads, is given up as soon as its
// peer has closed it. With smux 1 its target used to wait for closewait.
func TestWaitForATurnEndsWhenThePeerLeaves(t *testing.T) {
	for _, version := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			p := newMemoryPair(version, &mux.Hello{Can: mux.CanGoodbye})
			defer p.end()
			near, far := p.open(t)
			fillUp(t, p)
			done := make(chan Result, 1)
			target := &plenty{left: 4 << 20}
			go func() { done <- Between(far, target, time.Hour) }()
			if err := near.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			near.Close()
			begun := time.Now()
			if got := <-done; !errors.Is(got.ErrB, mux.ErrGone) || !target.closed.Load() || time.Since(begun) > 0 { // in the bubble's time
				t.Errorf("smux %d, after %v: %+v", version, time.Since(begun), got)
			}
		})
	}
}
