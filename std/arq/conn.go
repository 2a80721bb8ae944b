package arq

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
)

// Conn is a conversation as a net.Conn. It runs its engine whenever a packet arrives or the
// user reads or writes, and from a timer that is set only while something is due.
type Conn struct {
	local, remote net.Addr
	origin        time.Duration // the engine's clock starts here
	send          func(packet []byte, code Code)

	mu       sync.Mutex
	engine   *Engine
	readable sync.Cond
	writable sync.Cond
	closed   bool
	err      error // why, if it is closed: what its user gets
	timer    *time.Timer
	due      time.Duration // when the timer fires; 0: never
	running  bool          // a goroutine is in run
	counted  Stats         // what Config.Count has been told so far
	backlog  atomic.Int64  // see Backlog
	window   atomic.Int64  // see Window
	again    bool          // run must go round once more
}

// NewConn starts a conversation. It passes send each packet for the peer, which send must
// not keep, with the code of the group that the packet belongs to, if any. send may block;
// only outgoing packets wait meanwhile. It is never called by two goroutines at once, nor
// after Close has returned.
func NewConn(cfg Config, local, remote net.Addr, send func(packet []byte, code Code)) *Conn {
	c := &Conn{local: local, remote: remote, send: send, engine: New(cfg), err: net.ErrClosed}
	c.origin = clock.Now() - time.Second // a time of 0 or less means never
	c.readable.L, c.writable.L = &c.mu, &c.mu
	c.timer = time.AfterFunc(time.Hour, c.fire)
	c.timer.Stop()
	return c
}

// now is the time on the engine's clock.
func (c *Conn) now() time.Duration { return clock.Now() - c.origin }

// Deliver processes a packet from the peer. Any reply is sent by the timer's goroutine:
// sending may block, and the caller still has packets to deliver for other peers.
func (c *Conn) Deliver(packet []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.err
	}
	err := c.engine.Input(c.now(), packet)
	c.window.Store(int64(c.engine.Window()))
	c.readable.Signal()
	if c.running {
		c.again = true
	} else {
		c.arm() // even if only the beginning of the packet was valid
	}
	return err
}

// Vouch calls Engine.Vouch. Anything that this makes due is sent after the next Deliver.
func (c *Conn) Vouch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engine.Vouch()
}

// SetMTU calls Engine.SetMTU.
func (c *Conn) SetMTU(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engine.SetMTU(n)
}

// Protect calls Engine.Protect.
func (c *Conn) Protect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engine.Protect()
}

// TellRuns calls Engine.TellRuns.
func (c *Conn) TellRuns() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engine.TellRuns()
}

// Read reads what the peer has sent, and waits until there is something.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && c.engine.Readable() == 0 {
		c.readable.Wait()
	}
	if c.closed {
		return 0, c.err
	}
	n := c.engine.Read(p)
	if c.engine.Readable() > 0 {
		c.readable.Signal()
	}
	if c.engine.Urgent() {
		c.run()
	}
	return n, nil
}

// Write sends p. It waits while too much data is still unsent.
func (c *Conn) Write(p []byte) (int, error) { return c.WriteBuffers([][]byte{p}) }

// WriteBuffers sends several buffers as one write.
func (c *Conn) WriteBuffers(v [][]byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && c.engine.Room() <= 0 {
		c.writable.Wait()
	}
	if c.closed {
		return 0, c.err
	}
	for _, b := range v {
		c.engine.Write(b)
		n += len(b)
	}
	c.run()
	return n, nil
}

// fire is called when the timer expires.
func (c *Conn) fire() {
	defer c.engine.cfg.Panics.Catch(c.Fail)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = 0
	c.run()
}

// mostRounds limits how often run goes round: a goroutine that called Read or Write must
// not be kept busy by a peer whose packets never end.
const mostRounds = 16

// run does what is due and sets the timer. The caller holds c.mu, which is released during
// send. If another goroutine is already in run, the work is left to it.
func (c *Conn) run() {
	if c.readable.Signal(); c.running {
		c.again = true
		return
	}
	c.output()
	c.count()
	c.backlog.Store(int64(c.engine.Limit()))
	if c.closed {
		return
	}
	if c.engine.Room() > 0 {
		c.writable.Broadcast()
	}
	if c.again { // the timer's goroutine carries on
		c.due = c.now()
		c.timer.Reset(0)
		return
	}
	c.arm()
}

// output sends what is due. The caller holds c.mu, and holds it again afterwards, also if
// the engine or send panics.
func (c *Conn) output() {
	c.running, c.again = true, true
	defer func() {
		c.running = false
		if c.closed {
			c.writable.Broadcast() // Close waits for it
		}
	}()
	out := batches.Get().(*Batch)
	for rounds := 0; c.again && !c.closed && rounds < mostRounds; rounds++ {
		c.again = false
		c.engine.Output(c.now(), out)
		c.flush(out)
	}
	batches.Put(out)
}

// flush sends a batch. It releases c.mu meanwhile.
func (c *Conn) flush(out *Batch) {
	c.mu.Unlock()
	defer c.mu.Lock()
	out.empty(c.send)
}

// arm sets the timer, unless it already fires early enough.
func (c *Conn) arm() {
	at, ok := c.engine.Next()
	if !ok || c.due != 0 && c.due <= at {
		return
	}
	c.due = at
	c.timer.Reset(max(at-c.now(), 0))
}

// Close ends the conversation at this end only: it sends nothing to the peer. It is
// idempotent.
func (c *Conn) Close() error {
	c.Fail(net.ErrClosed)
	return nil
}

// Fail is Close with an error, which Read and Write return from then on.
func (c *Conn) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed, c.err = true, err
	c.timer.Stop()
	c.readable.Broadcast()
	c.writable.Broadcast()
	for c.running {
		c.writable.Wait()
	}
	c.engine.Close()
}

// View returns what is known about the link.
func (c *Conn) View() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.View()
}

// Timeout is how long an answer may take, judging by recent round trips.
func (c *Conn) Timeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.rtt.timeout()
}

// count reports what has happened since the last call. The caller holds c.mu.
func (c *Conn) count() {
	if now := c.engine.stats; c.engine.cfg.Count != nil && now != c.counted {
		c.engine.cfg.Count(now.since(c.counted))
		c.counted = now
	}
}

// Backlog is how many bytes may wait in front of Write: as much as is sent within a few
// milliseconds.
func (c *Conn) Backlog() int { return int(c.backlog.Load()) }

// Window is how many bytes of the stream may currently be in flight from the peer or
// waiting for Read.
func (c *Conn) Window() int64 { return c.window.Load() }

// Pending is the number of bytes that the peer has not acknowledged, sent or not.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.Pending()
}

// Conv is the conversation's number.
func (c *Conn) Conv() uint32 { return c.engine.cfg.Conv }

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline exists for net.Conn. A Conn has no deadlines: its user closes it instead.
func (c *Conn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline exists for net.Conn.
func (c *Conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline exists for net.Conn.
func (c *Conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
