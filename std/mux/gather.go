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

// gatherBytes is the most that waits to be written. It is what KCP is given at
// once under load: one pass over its window for eight frames instead of for each.
const gatherBytes = 64 << 10

// gentleBytes are the first of a session, which go out in small writes, and
// gentleFrame is about the most of a write then. Receivers of 2021 whose own FEC is
// off take the parity of their first groups for data; where all packets of a group
// are full, as gathering makes them, it even looks like data, and spoils the stream.
const (
	gentleBytes = 64 << 10
	gentleFrame = 4 << 10
)

// mostAdded is the most that may wait for a frame to be still added, in bytes: tens
// of thousands of streams' ends.
const mostAdded = 1 << 20

// smallWrite is the most bytes of a write that need not wait for its turn, and
// fairShare the most data that a stream writes in its turn.
const (
	smallWrite = 2 << 10
	fairShare  = 8 << 10
)

// gatherBuffer has room for what waits and one more of the largest writes.
type gatherBuffer [gatherBytes + maxWrite]byte

var gatherBuffers = sync.Pool{New: func() any { return new(gatherBuffer) }}

// gatherer is what all writes of a session to its connection go through. Who finds
// the connection free writes to it himself, at once. What is written meanwhile, or
// held back by its writer, waits and goes out together: with the next write, or from
// the gatherer's own goroutine. An error of the connection is reported to the writes
// that follow, and to failed.
type gatherer struct {
	conn    BuffersWriter
	segment int        // bytes: under load only multiples are written, so that segments are full
	backlog func() int // see Config
	before  func()     // is called before each write
	failed  func(error)
	panics  *rescue.Net

	mu      sync.Mutex
	queue   []*waiter     // for room; the first to wait is the first to go on
	waiting int           // with those that were called and are on their way
	buf     *gatherBuffer // holds pending; nil when few does
	few     [256]byte
	inConn  bool // few is being written
	pending []byte
	busy    bool // somebody is in conn
	loaded  bool // somebody had to wait: until all is written only run writes
	err     error
	begun   int    // bytes taken in, up to gentleBytes
	hello   []byte // goes out behind what is taken in first; nil when it has

	last atomic.Int64 // when the last write began, by package clock
	vec  [][]byte     // for whoever is in conn
	wake chan struct{}
	done chan struct{}
}

// BuffersWriter writes several buffers as one. It does not keep them.
type BuffersWriter interface {
	WriteBuffers(v [][]byte) (int, error)
}

// newGatherer starts a gatherer; failed is called once when it ends, with the reason
// and without a lock held.
func newGatherer(conn net.Conn, cfg *Config, failed func(error)) *gatherer {
	g := &gatherer{
		conn: AsBuffersWriter(conn), segment: cfg.Segment, backlog: cfg.Backlog, before: cfg.Before, failed: failed, hello: helloOf(cfg), panics: cfg.Panics,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	g.last.Store(int64(clock.Now()))
	go g.run()
	return g
}

// AsBuffersWriter is conn itself, where it is one: KCP and compression are.
func AsBuffersWriter(conn net.Conn) BuffersWriter {
	if w, ok := conn.(BuffersWriter); ok {
		return w
	}
	return joiner{conn}
}

// joiner is a BuffersWriter for any writer.
type joiner struct{ io.Writer }

func (j joiner) WriteBuffers(v [][]byte) (int, error) {
	var all []byte
	for _, b := range v {
		all = append(all, b...)
	}
	return j.Write(all)
}

// write takes whole frames, at most maxWrite bytes. Where hold is set they may wait
// for the next write or for flush; the caller sees to it that one comes. It blocks
// while much waits already, until the stream is closed, or while the connection does.
func (g *gatherer) write(v [][]byte, hold bool, by *waiter) error {
	size := sizeOf(v)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.await(size, by); err != nil {
		return err
	}
	g.begun = min(g.begun+size, gentleBytes)
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

// flush writes what was held back. It blocks while the connection does.
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
	g.callNext() // who flushes may have been given room and waits for something else now
	return g.err
}

// add has a frame written without waiting for it. One that may be dropped is where
// something else goes out in its place: what is in the connection, or waits.
// It is false where too much waits already.
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

// append appends to what waits; g.mu is held. A few bytes, as of a keepalive, take no
// buffer of the pool.
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

// wakeWriter has the gatherer write what was held back, and does not wait for that.
func (g *gatherer) wakeWriter() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// writeNow writes what waits, but for its last bytes that are to be left, and v to
// the connection, which must be free. g.mu is held, but for the time in there.
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
	g.callNext() // they fill up while this is in conn, one after the other
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

// put writes vec to the connection. A panic below, in the goroutine of whichever stream
// writes, is an error of the connection, which all share.
func (g *gatherer) put() (err error) {
	defer g.panics.Catch(func(why error) { err = why })
	g.before()
	_, err = g.conn.WriteBuffers(g.vec)
	return err
}

// most is how many bytes may wait: where the connection is slow and says so, fewer than
// its buffer holds, for all that follows waits for them.
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

// limit is how many bytes may wait for size more to be still taken in. Small writes
// go ahead of those that wait, into room of their own.
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

// share is the most data of a frame, and of a write, at this time. Where others
// wait, all shall have their turn soon.
func (g *gatherer) share() (frame, write int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shares()
}

// shares is share for who holds g.mu.
func (g *gatherer) shares() (frame, write int) {
	switch {
	case g.begun < gentleBytes:
		return gentleFrame, gentleFrame
	case g.waiting > 0:
		return math.MaxUint16, fairShare
	}
	return math.MaxUint16, min(maxData, g.most())
}

// run writes what waits, whenever it is roused, until the connection fails or close
// is called.
func (g *gatherer) run() {
	defer close(g.done)
	for range g.wake {
		// Whoever is ready to write, writes first. Where nobody is, this takes no
		// time.
		runtime.Gosched()
		g.mu.Lock()
		if g.err == nil && !g.busy && len(g.pending) > 0 {
			leave := 0
			if g.loaded = len(g.pending) >= g.most(); g.loaded { // more is sure to come
				leave = len(g.pending) % g.segment
			}
			g.writeNow(nil, leave) // rouses where something is left
		}
		err := g.err
		g.mu.Unlock()
		if err != nil {
			g.failed(err)
			return
		}
	}
}

// written tells whether nothing waits any more and nobody is in conn, or nothing will be
// written. What was held back waits no longer.
func (g *gatherer) written() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil || !g.busy && len(g.pending) == 0 {
		return true
	}
	g.wakeWriter()
	return false
}

// fail keeps the first error and ends run; g.mu is held.
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

// close ends run and fails all writes that follow. The connection must have been
// closed before: a write may be in it.
func (g *gatherer) close() {
	g.mu.Lock()
	g.fail(io.ErrClosedPipe)
	g.mu.Unlock()
	<-g.done
}
