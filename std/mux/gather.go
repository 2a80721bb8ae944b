package mux

import (
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"kcptun/std/clock"
	"kcptun/std/rescue"
)

// gatherBytes is the most data that waits to be written, in bytes. Under load KCP is given
// this much at once: it then passes over its window once for eight frames instead of once
// for each.
const gatherBytes = 64 << 10

// The first gentleBytes of a session go out in writes of about gentleFrame at most. A
// receiver of 2021 with its own FEC off takes the parity of the first groups for data. If
// all packets of a group are full, as gathering makes them, the parity even looks like
// valid data and corrupts the stream.
const (
	gentleBytes = 64 << 10
	gentleFrame = 4 << 10
)

// mostAdded is the most bytes that may be waiting when add or hold is called: enough to reset
// maxStreams streams, with three frames each.
const mostAdded = 2 << 20

// A write of up to smallWrite bytes need not queue. A stream writes at most fairShare bytes
// of data when its turn comes.
const (
	smallWrite = 2 << 10
	fairShare  = 8 << 10
)

// gatherBuffer has room for what waits and for one more write of the largest size.
type gatherBuffer [gatherBytes + maxWrite]byte

var gatherBuffers = sync.Pool{New: func() any { return new(gatherBuffer) }}

// All writes of a session to its connection go through its gatherer. A writer that finds
// the connection free writes directly. Frames written meanwhile, or held back by their
// writer, wait and go out together: with the next write, or from the gatherer's own
// goroutine. An error of the connection is returned by all later writes and passed to
// failed.
type gatherer struct {
	conn    BuffersWriter
	segment func() int // bytes: under load, writes are multiples of it so that segments are full
	backlog func() int // see Config
	before  func()     // called before each write
	failed  func(error)
	panics  *rescue.Net

	mu      sync.Mutex
	queue   []*waiter     // writers waiting for room, first in, first out
	waiting int           // length of queue, plus those called but not running yet
	buf     *gatherBuffer // holds pending; nil while few holds it
	few     [256]byte
	inConn  bool // few is being written to conn
	pending []byte
	busy    bool // a write to conn is in progress
	loaded  bool // a writer had to wait: only run writes until pending is empty
	err     error
	begun   int    // bytes accepted, counted up to gentleBytes
	hello   []byte // follows the first frames; nil once sent

	last atomic.Int64 // when the last write began, by clock.Now
	vec  [][]byte     // belongs to whoever is writing to conn
	wake chan struct{}
	done chan struct{}
}

// BuffersWriter writes several buffers as one. It does not keep them after it returns.
type BuffersWriter interface {
	WriteBuffers(v [][]byte) (int, error)
}

// newGatherer starts a gatherer. failed is called once with the reason when the gatherer
// ends, without a lock held.
func newGatherer(conn net.Conn, cfg *Config, failed func(error)) *gatherer {
	g := &gatherer{
		conn: AsBuffersWriter(conn), segment: cfg.Segment, backlog: cfg.Backlog, before: cfg.Before, failed: failed, hello: helloOf(cfg), panics: cfg.Panics,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	g.last.Store(int64(clock.Now()))
	go g.run()
	return g
}

// AsBuffersWriter returns conn itself if it is a BuffersWriter, as KCP and compression are.
func AsBuffersWriter(conn net.Conn) BuffersWriter {
	if w, ok := conn.(BuffersWriter); ok {
		return w
	}
	return joiner{conn}
}

// joiner makes any writer a BuffersWriter.
type joiner struct{ io.Writer }

func (j joiner) WriteBuffers(v [][]byte) (int, error) {
	var all []byte
	for _, b := range v {
		all = append(all, b...)
	}
	return j.Write(all)
}

// write accepts whole frames, at most maxWrite bytes. If hold is set, they may wait for the
// next write or flush, which the caller must make. write blocks while too much is waiting
// (until the stream is closed), and while the connection blocks.
func (g *gatherer) write(v [][]byte, hold bool, by *waiter) error {
	size := sizeOf(v)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.await(size, by); err != nil {
		return err
	}
	return g.accept(v, hold)
}

// hold accepts the few bytes that open a stream like a write that may wait for the next one,
// but never blocks. It returns ErrStuck if too much is waiting already.
func (g *gatherer) hold(v [][]byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.err != nil:
		return g.err
	case len(g.pending) >= mostAdded:
		return ErrStuck
	}
	return g.accept(v, true)
}

// accept is write without waiting for room; g.mu is held.
func (g *gatherer) accept(v [][]byte, hold bool) error {
	g.begun = min(g.begun+sizeOf(v), gentleBytes)
	if g.hello != nil {
		v, g.hello = append(slices.Clip(v), g.hello), nil
	}
	if !g.busy && !g.loaded && !hold {
		g.writeNow(v, 0)
		return g.err
	}
	for _, b := range v {
		g.append(b)
	}
	g.callNext()
	if g.loaded || g.waiting > 0 {
		g.wakeWriter()
	}
	return nil
}

func sizeOf(v [][]byte) (size int) {
	for _, b := range v {
		size += len(b)
	}
	return size
}

// flush writes what was held back. It blocks while the connection blocks.
func (g *gatherer) flush() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.err != nil || g.busy || len(g.pending) == 0:
	case g.loaded:
		g.wakeWriter()
	default:
		g.writeNow(nil, 0)
	}
	g.callNext() // the caller may have been given room, and now waits for something else
	return g.err
}

// add queues a frame without blocking. If mayDrop is set, the frame is dropped when another
// frame is about to go out anyway. add returns false if too much is waiting already.
func (g *gatherer) add(frame []byte, mayDrop bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil || mayDrop && g.busy {
		return true
	}
	if !mayDrop || len(g.pending) == 0 {
		if len(g.pending) >= mostAdded {
			return false
		}
		g.append(frame)
		if g.hello != nil {
			g.append(g.hello)
			g.hello = nil
		}
	}
	g.wakeWriter()
	return true
}

// append adds b to pending; g.mu is held. A few bytes, such as a keepalive, need no buffer
// from the pool.
func (g *gatherer) append(b []byte) {
	if g.pending == nil && !g.inConn {
		g.pending = g.few[:0]
	}
	if len(g.pending)+len(b) > cap(g.pending) && g.buf == nil {
		g.buf = gatherBuffers.Get().(*gatherBuffer)
		g.pending = append(g.buf[:0], g.pending...)
	}
	g.pending = append(g.pending, b...)
}

// wakeWriter makes run write what is pending. It does not block.
func (g *gatherer) wakeWriter() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// writeNow writes pending, except for its last leave bytes, and then v to the connection,
// on which no other write may be in progress. g.mu is held, but released during the write.
func (g *gatherer) writeNow(v [][]byte, leave int) {
	buf := g.buf
	g.inConn = buf == nil && len(g.pending) > 0
	ready, rest := g.pending[:len(g.pending)-leave], g.pending[len(g.pending)-leave:]
	g.buf, g.pending = nil, nil
	if leave > 0 {
		g.buf = gatherBuffers.Get().(*gatherBuffer)
		g.pending = append(g.buf[:0], rest...)
	}
	if len(ready) > 0 {
		g.vec = append(g.vec, ready)
	}
	g.vec = append(g.vec, v...)
	g.busy = true
	g.callNext() // writers fill pending, one after the other, during this write
	g.mu.Unlock()
	g.last.Store(int64(clock.Now()))
	err := g.put()
	clear(g.vec)
	g.vec = g.vec[:0]
	if buf != nil {
		gatherBuffers.Put(buf)
	}
	g.mu.Lock()
	g.busy, g.inConn = false, false
	if err != nil {
		g.fail(err)
	}
	if len(g.pending) > 0 {
		g.wakeWriter()
	}
}

// put writes vec to the connection. A panic further down happens in the goroutine of
// whichever stream is writing, but it is treated as an error of the connection, which all
// streams share.
func (g *gatherer) put() (err error) {
	defer g.panics.Catch(func(why error) { err = why })
	g.before()
	_, err = g.conn.WriteBuffers(g.vec)
	return err
}

// most is how many bytes may wait. It is less than gatherBytes if the connection reports
// that it is slow, because everything written later has to wait behind them.
func (g *gatherer) most() int {
	if g.backlog == nil {
		return gatherBytes
	}
	n := g.backlog()
	if n <= 0 {
		return gatherBytes
	}
	return min(max(n, gentleFrame), gatherBytes)
}

// limit is how many bytes may be waiting when a write of size bytes is accepted. Small
// writes need not queue: they have some room of their own.
func (g *gatherer) limit(size int) int {
	limit := g.most()
	if g.begun < gentleBytes {
		limit = gentleFrame
	}
	if size <= smallWrite {
		limit += limit / 4
	}
	return limit
}

// share returns the most data that a frame and a write may have now. While others wait,
// writes are short, so that everyone's turn comes soon.
func (g *gatherer) share() (frame, write int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shares()
}

// shares is share with g.mu held.
func (g *gatherer) shares() (frame, write int) {
	switch {
	case g.begun < gentleBytes:
		return gentleFrame, gentleFrame
	case g.waiting > 0:
		return math.MaxUint16, fairShare
	}
	return math.MaxUint16, min(maxData, g.most())
}

// run writes pending whenever it is woken, until the connection fails or close is called.
func (g *gatherer) run() {
	defer close(g.done)
	for range g.wake {
		// Let writers that are ready to run go first. If there are none, this takes no
		// time.
		runtime.Gosched()
		g.mu.Lock()
		if g.err == nil && !g.busy && len(g.pending) > 0 {
			leave := 0
			if g.loaded = len(g.pending) >= g.most(); g.loaded { // more data will certainly follow
				leave = len(g.pending) % g.segment()
			}
			g.writeNow(nil, leave) // wakes run again if something is left
		}
		err := g.err
		g.mu.Unlock()
		if err != nil {
			g.failed(err)
			return
		}
	}
}

// written reports whether nothing is pending and no write is in progress, or the gatherer
// has failed. It also makes run write what was held back.
func (g *gatherer) written() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil || !g.busy && len(g.pending) == 0 {
		return true
	}
	g.wakeWriter()
	return false
}

// fail records the first error and makes run return; g.mu is held.
func (g *gatherer) fail(err error) {
	if g.err == nil {
		g.err = err
	}
	if g.buf != nil {
		gatherBuffers.Put(g.buf)
	}
	g.buf, g.pending = nil, nil
	g.callAll()
	g.wakeWriter()
}

// close makes run return and all later writes fail. The connection must be closed first, as
// a write to it may be in progress.
func (g *gatherer) close() {
	g.mu.Lock()
	g.fail(io.ErrClosedPipe)
	g.mu.Unlock()
	<-g.done
}
