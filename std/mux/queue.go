package mux

import (
	"slices"
	"sync"
)

// calledLimit is how many bytes may be waiting when a called writer goes on. It is above
// limit, so that small writes made in the meantime do not cost the writer its turn.
func (g *gatherer) calledLimit() int { return g.most() * 3 / 2 }

// waiter is a stream's place in the queue of the gatherer, whose lock guards it.
type waiter struct {
	called sync.Cond // signalled when it is the stream's turn, or when waiting is pointless
	turn   bool      // it was given room and has not written yet
	ended  error     // why the stream must not wait any more; nil: it may
	waits  func()    // see Stream.OnWait; nil: nobody wants to know
}

// begin is called before each wait.
func (w *waiter) begin() {
	if w.waits != nil {
		w.waits()
	}
}

// await waits until there is room for a write of size bytes; g.mu is held.
func (g *gatherer) await(size int, by *waiter) error {
	limit, queue := g.limit(size), size > smallWrite && g.waiting > 0
	if by.turn {
		limit, queue = g.calledLimit(), false
	}
	for ; g.err == nil && by.ended == nil && (queue || len(g.pending) >= limit); queue = false {
		g.loaded = true
		g.wakeWriter()
		g.queue = append(g.queue, by)
		by.called.L = &g.mu
		by.begin()
		g.waiting++
		by.called.Wait()
		g.waiting--
		limit = g.calledLimit()
	}
	by.turn = false
	if g.err == nil && by.ended != nil {
		g.callNext() // it may have been the turn of this one
		return by.ended
	}
	return g.err
}

// awaitRoom waits for the turn of a write of up to size bytes of data, and returns how many
// bytes it may have.
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

// readAhead is how many bytes a stream may read ahead now. It is 0 if a writer is waiting.
// One waiting writer per session, with its data already read, is enough: the connection
// then never waits for a socket to be read, and no other stream needs a buffer.
func (g *gatherer) readAhead() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil || g.waiting > 0 {
		return 0
	}
	_, write := g.shares()
	return write
}

// callNext calls the first writer in the queue if there is room; g.mu is held.
func (g *gatherer) callNext() {
	if len(g.queue) > 0 && len(g.pending) < g.limit(maxWrite) {
		g.queue[0].called.Signal()
		g.queue = slices.Delete(g.queue, 0, 1)
	}
}

// callAll calls all waiting writers, because nothing more will be written. g.mu is held.
func (g *gatherer) callAll() {
	for _, w := range g.queue {
		w.called.Signal()
	}
	g.queue = nil
}

// pass gives the turn of a stream that will not write after all to the next one.
func (g *gatherer) pass(by *waiter) {
	g.mu.Lock()
	by.turn = false
	g.callNext()
	g.mu.Unlock()
}

// end makes a stream stop waiting, for good. The first reason given is kept.
func (g *gatherer) end(by *waiter, why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if by.ended == nil {
		by.ended = why
	}
	if by.turn {
		by.turn = false
		g.callNext()
	}
	if i := slices.Index(g.queue, by); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		by.called.Signal()
	}
}
