// Package shutdown owns the goroutines of connections: it starts them, lets them finish at the
// end, and closes what does not.
package shutdown

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/rescue"
)

// The time limits for the end of a program, the same at both ends.
const (
	// Grace is how long open streams may finish.
	Grace = 5 * time.Second
	// DrainLimit bounds the wait for the peer to acknowledge what was sent, before a
	// session is closed.
	DrainLimit = 2 * time.Second
)

// Group owns the goroutines of open connections, so that they can be waited for and closed
// in the end.
type Group struct {
	Panics *rescue.Net // what panics is closed and the others go on; nil: the program ends

	wg     sync.WaitGroup
	work   workers
	mu     sync.Mutex
	open   map[io.Closer]struct{}
	closed bool
	cut    atomic.Bool // Finish closes what is left
}

// Go runs f in a goroutine on behalf of c, unless Finish was called; then it returns
// false.
func (g *Group) Go(c io.Closer, f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.open == nil {
		g.open = make(map[io.Closer]struct{})
	}
	g.open[c] = struct{}{}
	g.Spawn(func() {
		defer func() {
			g.mu.Lock()
			delete(g.open, c)
			g.mu.Unlock()
		}()
		defer g.Panics.Catch(func(error) { c.Close() })
		f()
	})
	return true
}

// Spawn runs f in a goroutine that Finish waits for. It is for functions that were started
// by Go.
func (g *Group) Spawn(f func()) {
	g.wg.Add(1)
	g.work.Go(func() {
		defer g.wg.Done()
		f()
	})
}

// Cut tells whether Finish has begun to close what did not end by itself.
func (g *Group) Cut() bool { return g.cut.Load() }

// End is Finish for the end of a program. On a dead path a stream can neither be written
// nor closed, and only the end of its session ends it: force is called after Grace, when
// sessions have had DrainLimit on top.
func (g *Group) End(force func()) {
	forced := time.AfterFunc(Grace+DrainLimit, force)
	defer forced.Stop()
	g.Finish(Grace)
}

// Finish starts nothing new, waits up to grace for everything to end, then closes the rest
// and waits for that.
func (g *Group) Finish(grace time.Duration) {
	defer g.work.close()
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		g.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	g.mu.Lock()
	left := make([]io.Closer, 0, len(g.open))
	for c := range g.open {
		left = append(left, c)
	}
	g.mu.Unlock()
	g.cut.Store(true) // before the first ends by it
	// At the same time: a slow one must not keep the others open.
	var closing sync.WaitGroup
	for _, c := range left {
		closing.Go(func() { c.Close() })
	}
	<-done
	closing.Wait()
}
