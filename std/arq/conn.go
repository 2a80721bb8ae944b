package arq

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
)

// Conn is a conversation as a net.Conn. It runs its engine when something comes, is
// written or read, and by a timer that is set only while something is due.
type Conn struct {
	local, remote net.Addr
	origin        time.Duration // where the engine's clock begins
	send          func(packet []byte, code Code)

	mu       sync.Mutex
	engine   *Engine
	readable sync.Cond
	writable sync.Cond
	closed   bool
	timer    *time.Timer
	due      time.Duration // when the timer fires; 0 is never
	running  bool          // somebody is in run
	counted  Stats         // what Config.Count was told of
	backlog  atomic.Int64  // see Backlog
	window   atomic.Int64  // see Window
	again    bool          // and shall go round once more
}

// NewConn starts a conversation. send is given each packet for the peer, which it must not
// keep, and the code of the group that it is to be in, if any, and may block: only what is to be sent waits meanwhile. It is not called by two
// goroutines at a time, nor once Close has returned.
func NewConn(cfg Config, local, remote net.Addr, send func(packet []byte, code Code)) *Conn {
	c := &Conn{local: local, remote: remote, send: send, engine: New(cfg)}
	c.origin = clock.Now() - time.Second // 0 and less is never
	c.readable.L, c.writable.L = &c.mu, &c.mu
	c.timer = time.AfterFunc(time.Hour, c.fire)
	c.timer.Stop()
	return c
}

// now is the time by the engine's clock.
func (c *Conn) now() time.Duration { return clock.Now() - c.origin }

// Deliver takes a packet of the peer in. What is due then is sent by the timer's goroutine:
// sending may wait, and whoever delivers has the packets of other peers to deliver, too.
func (c *Conn) Deliver(packet []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	err := c.engine.Input(c.now(), packet)
	c.window.Store(int64(c.engine.Window()))
	c.readable.Signal()
	if c.running {
		c.again = true
	} else {
		c.arm() // also where only the beginning of the packet was good
	}
	return err
}

// Vouch is that of the engine. What it leads to is sent after the next Deliver.
func (c *Conn) Vouch() {
	c.mu.Lock()
	c.engine.Vouch()
	c.mu.Unlock()
}

// Read takes what the peer has sent, and waits for it.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && c.engine.Readable() == 0 {
		c.readable.Wait()
	}
	if c.closed {
		return 0, net.ErrClosed
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

// Write sends p. It waits while much has not left yet.
func (c *Conn) Write(p []byte) (int, error) { return c.WriteBuffers([][]byte{p}) }

// WriteBuffers sends several buffers as one.
func (c *Conn) WriteBuffers(v [][]byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && c.engine.Room() <= 0 {
		c.writable.Wait()
	}
	if c.closed {
		return 0, net.ErrClosed
	}
	for _, b := range v {
		c.engine.Write(b)
		n += len(b)
	}
	c.run()
	return n, nil
}

// fire runs at the end of the timer.
func (c *Conn) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = 0
	c.run()
}

// mostRounds is how often run goes round: who wrote or read has other things to do than to
// answer a peer whose packets never end.
const mostRounds = 16

// run does what is due, and sets the timer; c.mu is held, but for the time in send. Who
// comes while another is in there leaves it to him.
func (c *Conn) run() {
	if c.readable.Signal(); c.running {
		c.again = true
		return
	}
	c.running = true
	out := batches.Get().(*batch)
	c.again = true
	for rounds := 0; c.again && !c.closed && rounds < mostRounds; rounds++ {
		c.again = false
		c.engine.Output(c.now(), func(packet []byte) { out.add(packet, c.engine.Code()) })
		c.mu.Unlock()
		out.flush(c.send)
		c.mu.Lock()
	}
	batches.Put(out)
	c.running = false
	c.count()
	c.backlog.Store(int64(c.engine.Limit()))
	if c.closed {
		c.writable.Broadcast() // Close waits for the end of this
		return
	}
	if c.engine.Room() > 0 {
		c.writable.Broadcast()
	}
	if c.again { // the timer's goroutine goes on
		c.due = c.now()
		c.timer.Reset(0)
		return
	}
	c.arm()
}

// arm sets the timer, unless it fires early enough.
func (c *Conn) arm() {
	at, ok := c.engine.Next()
	if !ok || c.due != 0 && c.due <= at {
		return
	}
	c.due = at
	c.timer.Reset(max(at-c.now(), 0))
}

// Close ends the conversation at this end: nothing on the wire tells the peer. It is
// idempotent.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.timer.Stop()
	c.readable.Broadcast()
	c.writable.Broadcast()
	for c.running {
		c.writable.Wait()
	}
	c.engine.Close()
	return nil
}

// View is what is known of the link.
func (c *Conn) View() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.View()
}

// Timeout is how long an answer may take, by the last round trips.
func (c *Conn) Timeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.rtt.timeout()
}

// count tells what has happened since the last time; c.mu is held.
func (c *Conn) count() {
	if now := c.engine.stats; c.engine.cfg.Count != nil && now != c.counted {
		c.engine.cfg.Count(now.since(c.counted))
		c.counted = now
	}
}

// Backlog is how many bytes may wait for Write: what leaves within some milliseconds.
func (c *Conn) Backlog() int { return int(c.backlog.Load()) }

// Window is how many bytes of the stream may be on their way from the peer now, and wait
// for Read.
func (c *Conn) Window() int64 { return c.window.Load() }

// Pending is how many bytes the peer has not acknowledged, sent or not.
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

// SetDeadline is there for net.Conn: a Conn has no deadlines, and its user closes it.
func (c *Conn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is there for net.Conn.
func (c *Conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is there for net.Conn.
func (c *Conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// batch is packets that are to be sent when no lock is held.
type batch struct {
	bytes []byte
	ends  []batchEnd
}

// batchEnd is where a packet ends, and its code.
type batchEnd struct {
	at   int
	code Code
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func (b *batch) add(packet []byte, code Code) {
	b.bytes = append(b.bytes, packet...)
	b.ends = append(b.ends, batchEnd{len(b.bytes), code})
}

func (b *batch) flush(send func([]byte, Code)) {
	begin := 0
	for _, end := range b.ends {
		send(b.bytes[begin:end.at], end.code)
		begin = end.at
	}
	b.bytes, b.ends = b.bytes[:0], b.ends[:0]
}
