package shutdown

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/testkit"
)

func TestGroupWaitsForAll(t *testing.T) {
	testkit.NoLeak(t)
	var g Group
	begun, release := make(chan struct{}, 3), make(chan struct{})
	var ended, closed atomic.Int32
	for range 3 {
		c := &closer{count: &closed}
		if !g.Go(c, func() { begun <- struct{}{}; <-release; ended.Add(1) }) {
			t.Fatal("Go refused")
		}
	}
	for range 3 {
		testkit.Within(t, "all begin", begun)
	}
	finished := make(chan struct{})
	go func() { g.Finish(time.Hour); close(finished) }()
	testkit.Eventually(t, "nothing new starts", func() bool { return !g.Go(&closer{count: new(atomic.Int32)}, func() {}) })
	select {
	case <-finished:
		t.Fatal("finished while they ran")
	default:
	}
	close(release)
	testkit.Within(t, "Finish", finished)
	if ended.Load() != 3 || closed.Load() != 0 {
		t.Error(ended.Load(), closed.Load())
	}
	if g.Go(&closer{count: new(atomic.Int32)}, func() { t.Error("was run") }) {
		t.Error("Go after Finish")
	}
	g.Finish(0) // again does nothing
}

// closer counts the calls of Close and reports them.
type closer struct {
	count *atomic.Int32
	gone  chan struct{}
}

func (c *closer) Close() error {
	c.count.Add(1)
	if c.gone != nil {
		close(c.gone)
	}
	return nil
}

func TestGroupClosesWhatIsLeft(t *testing.T) {
	testkit.NoLeak(t)
	var g Group
	var closed, quick atomic.Int32
	ended := make(chan struct{})
	g.Go(&closer{count: &quick}, func() { close(ended) })
	testkit.Within(t, "the quick one", ended)
	for range 10 {
		c := &closer{count: &closed, gone: make(chan struct{})}
		g.Go(c, func() { <-c.gone })
	}
	testkit.Eventually(t, "the quick one is forgotten", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.open) == 10
	})
	begun := time.Now()
	g.Finish(50 * time.Millisecond)
	if took := time.Since(begun); took < 50*time.Millisecond {
		t.Errorf("waited %v only", took)
	}
	if closed.Load() != 10 || quick.Load() != 0 {
		t.Errorf("closed %d of the 10, and %d that had ended", closed.Load(), quick.Load())
	}
}

// A closer that takes long must not make the others wait: closing a stream may take 30 s if
// the peer is gone.
func TestGroupClosesAllAtOnce(t *testing.T) {
	testkit.NoLeak(t)
	var g Group
	const n = 5
	met := make(chan struct{}, n)
	release := make(chan struct{})
	for range n {
		c := &slowCloser{met: met, release: release, gone: make(chan struct{})}
		g.Go(c, func() { <-c.gone })
	}
	finished := make(chan struct{})
	go func() { g.Finish(0); close(finished) }()
	for range n {
		testkit.Within(t, "every Close was called, though none has returned", met)
	}
	close(release)
	testkit.Within(t, "Finish", finished)
}

type slowCloser struct{ met, release, gone chan struct{} }

func (c *slowCloser) Close() error {
	c.met <- struct{}{}
	<-c.release
	close(c.gone)
	return nil
}

// What closing does not end, such as a stream on a dead path, is ended by force, but only
// after sessions have had their time.
func TestGroupEndForces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		freed := make(chan struct{})
		g.Go(new(Closers), func() { <-freed })
		begun := time.Now()
		g.End(func() { close(freed) })
		if took := time.Since(begun); took != Grace+DrainLimit {
			t.Errorf("forced after %v, want %v", took, Grace+DrainLimit)
		}
	})
}

// What was added last is closed first, also what is added too late.
func TestClosersOrder(t *testing.T) {
	var c Closers
	var order []int
	for i := range 3 {
		c.Add(CloserFunc(func() { order = append(order, i) }))
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	c.Add(CloserFunc(func() { order = append(order, 3) }))
	if want := []int{2, 1, 0, 3}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}
