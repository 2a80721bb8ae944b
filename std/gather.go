package std

import (
	"io"
	"math"
	"net"
	"runtime"
	"sync"
)

// gatherBytes is the most that waits to be written. It is what KCP is given at
// once under load: one pass over its window for eight frames instead of for each.
const gatherBytes = 64 << 10

// gentleBytes are the first of a session, which go out frame by frame, and
// gentleFrame is the most of a frame then. Receivers of 2021 whose own FEC is off
// take the parity of their first groups for data; where all packets of a group are
// full, as gathering makes them, it even looks like data, and spoils the stream.
const (
	gentleBytes = 64 << 10
	gentleFrame = 4 << 10
)

// gatherBuffer has room for what waits and one more of the largest frames.
type gatherBuffer [gatherBytes + frameHeader + 1<<16]byte

var gatherBuffers = sync.Pool{New: func() any { return new(gatherBuffer) }}

// gatherer writes to a connection from a goroutine of its own: what is written
// meanwhile goes out together. A lone frame goes out at once. An error of the
// connection is told to the writes that follow.
type gatherer struct {
	conn    net.Conn
	segment int    // bytes: under load only multiples are written, so that segments are full
	before  func() // is called before each write

	mu      sync.Mutex
	room    sync.Cond
	buf     *gatherBuffer // holds pending; nil when there is none
	pending []byte
	err     error
	begun   int // bytes taken in, up to gentleBytes

	wake chan struct{}
	done chan struct{}
}

func newGatherer(conn net.Conn, segment int, before func()) *gatherer {
	g := &gatherer{conn: conn, segment: segment, before: before, wake: make(chan struct{}, 1), done: make(chan struct{})}
	g.room.L = &g.mu
	go g.run()
	return g
}

// write appends one frame to what waits. It blocks while that is much.
func (g *gatherer) write(head, data []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.pending) >= g.limit() && g.err == nil {
		g.room.Wait()
	}
	if g.err != nil {
		return g.err
	}
	if g.buf == nil {
		g.buf = gatherBuffers.Get().(*gatherBuffer)
		g.pending = g.buf[:0]
	}
	g.pending = append(append(g.pending, head...), data...)
	g.begun = min(g.begun+len(head)+len(data), gentleBytes)
	select {
	case g.wake <- struct{}{}:
	default:
	}
	return nil
}

// limit is how many bytes may wait for a frame to be still taken in.
func (g *gatherer) limit() int {
	if g.begun < gentleBytes {
		return 1
	}
	return gatherBytes
}

// frameLimit is the most data of a frame at this time.
func (g *gatherer) frameLimit() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.begun < gentleBytes {
		return gentleFrame
	}
	return math.MaxUint16
}

// run writes what waits until the connection fails or close is called.
func (g *gatherer) run() {
	defer close(g.done)
	for range g.wake {
		// Whoever is ready to write, writes first: the first bytes of a stream
		// travel with its SYN, once the session is past its gentle beginning. Where
		// nobody is, this takes no time.
		runtime.Gosched()
		for {
			buf, full := g.take()
			if buf == nil {
				break
			}
			g.before()
			_, err := g.conn.Write(full)
			gatherBuffers.Put(buf)
			if err != nil {
				g.fail(err)
			}
		}
		if g.failed() {
			return
		}
	}
}

// take takes what waits, to be written from buf. Under load the bytes beyond the
// last full segment are left for the next time, as more are sure to come.
func (g *gatherer) take() (buf *gatherBuffer, full []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.buf == nil || g.err != nil {
		return nil, nil
	}
	buf, full = g.buf, g.pending
	g.buf, g.pending = nil, nil
	if tail := len(full) % g.segment; len(full) >= gatherBytes && tail > 0 {
		g.buf = gatherBuffers.Get().(*gatherBuffer)
		g.pending = append(g.buf[:0], full[len(full)-tail:]...)
		full = full[:len(full)-tail]
	}
	g.room.Broadcast()
	return buf, full
}

func (g *gatherer) failed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err != nil
}

func (g *gatherer) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
	if g.buf != nil {
		gatherBuffers.Put(g.buf)
		g.buf, g.pending = nil, nil
	}
	g.room.Broadcast()
}

// close ends run, also one that waits in the connection, which must have been
// closed before.
func (g *gatherer) close() {
	g.fail(io.ErrClosedPipe)
	select {
	case g.wake <- struct{}{}:
	default:
	}
	<-g.done
}
