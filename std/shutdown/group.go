// Package shutdown owns the goroutines of connections: it starts them, lets them finish
// when the program ends, and closes those that do not.
package shutdown

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/rescue"
)

// The time limits for the end of a program, the same in client and server.
const (
	// Grace is how long open streams have to finish.
	Grace = 5 * time.Second
	// DrainLimit is how long to wait, before closing a session, for the peer to acknowledge
	// what was sent.
	DrainLimit = 2 * time.Second
)

// Group owns the goroutines of open connections, so that they can be waited for and finally
// closed.
type Group struct {
	Panics *rescue.Net // a panic closes only its connection; nil: it ends the program

	wg     sync.WaitGroup
	work   workers
	mu     sync.Mutex
	open   map[io.Closer]struct{}
	closed bool
	cut    atomic.Bool // Finish is closing what is left
}

// Go runs f in a goroutine on behalf of c. After Finish was called it returns false
// instead.
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

// Spawn runs f in a goroutine that Finish waits for. Only functions started by Go may call
// it.
func (g *Group) Spawn(f func()) {
	g.wg.Add(1)
	g.work.Go(func() {
		defer g.wg.Done()
		f()
	})
}

// Cut tells whether Finish has begun to close what did not end by itself.
func (g *Group) Cut() bool { return g.cut.Load() }

// End is Finish for the end of a program. On a dead path a stream can be neither written
// nor closed, and ends only when its session does. So force is called once sessions have
// had DrainLimit on top of Grace.
func (g *Group) End(force func()) {
	forced := time.AfterFunc(Grace+DrainLimit, force)
	defer forced.Stop()
	g.Finish(Grace)
}

// Finish starts nothing new, waits up to grace for everything to end, then closes what is
// left and waits for that.
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
	g.cut.Store(true) // before the first connection ends because of it
	// All at once, because a slow one must not keep the others open.
	var closing sync.WaitGroup
	for _, c := range left {
		closing.Go(func() { c.Close() })
	}
	<-done
	closing.Wait()
}
