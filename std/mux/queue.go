package mux

import (
	"io"
	"slices"
	"sync"
)

// calledLimit is how many bytes may wait for one to go on that was called: what small
// writes have put before it is not to cost it its turn.
func (g *gatherer) calledLimit() int { return g.most() * 3 / 2 }

// waiter is a stream as the gatherer knows it. The gatherer's lock guards it.
type waiter struct {
	called sync.Cond // it is its turn, or in vain to wait
	turn   bool      // it was given room and has not written since
	ended  bool      // closed: it waits no more
}

// await waits for room for a write of size bytes; g.mu is held.
func (g *gatherer) await(size int, by *waiter) error {
	limit, queue := g.limit(size), size > smallWrite && g.waiting > 0
	if by.turn {
		limit, queue = g.calledLimit(), false
	}
	for ; g.err == nil && !by.ended && (queue || len(g.pending) >= limit); queue = false {
		g.loaded = true
		g.wakeWriter()
		g.queue = append(g.queue, by)
		by.called.L = &g.mu
		g.waiting++
		by.called.Wait()
		g.waiting--
		limit = g.calledLimit()
	}
	by.turn = false
	if g.err == nil && by.ended {
		g.callNext() // it may have been this one's turn
		return io.ErrClosedPipe
	}
	return g.err
}

// awaitRoom waits for the turn of a write of up to size bytes of data, and returns the
// most that it may be.
func (g *gatherer) awaitRoom(size int, by *waiter) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.await(size+headerBytes, by); err != nil {
		return 0, err
	}
	by.turn = true
	_, write := g.shares()
	return write, nil
}

// free is the most data that a stream reads ahead at this time, and 0 where another one
// waits for room with what it has read: one in a session does, so that the connection
// need not wait for a socket to be read, and no more.
func (g *gatherer) free() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil || g.waiting > 0 {
		return 0
	}
	_, write := g.shares()
	return write
}

// callNext calls the first in the queue, where there is room; g.mu is held.
func (g *gatherer) callNext() {
	if len(g.queue) > 0 && len(g.pending) < g.limit(maxWrite) {
		g.queue[0].called.Signal()
		g.queue = slices.Delete(g.queue, 0, 1)
	}
}

// callAll calls all that wait: nothing more will be written. g.mu is held.
func (g *gatherer) callAll() {
	for _, w := range g.queue {
		w.called.Signal()
	}
	g.queue = nil
}

// pass gives the turn of a stream that does not write after all to the next.
func (g *gatherer) pass(by *waiter) {
	g.mu.Lock()
	by.turn = false
	g.callNext()
	g.mu.Unlock()
}

// end lets a stream wait no more.
func (g *gatherer) end(by *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	by.ended = true
	if by.turn {
		by.turn = false
		g.callNext()
	}
	if i := slices.Index(g.queue, by); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		by.called.Signal()
	}
}
