// Package mux carries many streams over one connection, in the frames of smux 1 and 2.
// Unlike the smux library it half-closes streams without losing bytes, sends frames that
// belong together in one write, and writes from the goroutine that has the data. It needs
// two goroutines per session and none per stream. It does not know what is below the
// connection, or what its streams carry.
package mux

import (
	"context"
	"errors"
	"maps"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
	"kcptun/std/quota"
	"kcptun/std/rescue"
)

var (
	// ErrProtocol ends a session whose peer sent something that smux of its version never
	// sends.
	ErrProtocol = errors.New("not the peer's protocol")
	// ErrSilent ends a session whose peer gave no sign of life for Config.Patience.
	ErrSilent = errors.New("peer is silent")
	// ErrCut ends a stream whose session ended before the peer had finished it: the data
	// read is incomplete.
	ErrCut = errors.New("session ended before the stream did")
	// ErrGone is returned by Write if the peer reads no more of the stream and has said so;
	// stock peers do not.
	ErrGone = errors.New("the other end has closed the stream")
	// ErrReset is returned by Read if the peer has cut the stream and said so; stock peers
	// do not. The data read is incomplete.
	ErrReset = errors.New("the other end has reset the stream")
	// ErrStuck ends a session whose peer makes us send answers but does not accept them.
	ErrStuck = errors.New("peer accepts nothing")
	// ErrExhausted is returned by Open once the session has used up its stream ids.
	ErrExhausted = errors.New("no stream ids are left")
)

// Config holds the settings of a session.
type Config struct {
	Client        bool         // the client opens streams with odd ids, the server with even ones
	Version       int          // of smux: 1, or 2 with a window per stream
	FrameSize     int          // most data bytes in a frame that is sent, up to 65535
	ReceiveBuffer int          // bytes that all streams together may hold unread; with smux 2 up to twice that, see budget
	StreamBuffer  int          // smux 2: most bytes that the peer may send on one stream beyond what was read
	Window        func() int64 // the connection's receive window in bytes, which ReceiveBuffer follows, see budget; nil: it is fixed
	Memory        *quota.Bound // the limit for all sessions together; nil: none
	Segment       func() int   // bytes, read anew for each write: under load, writes are multiples of it

	Hello *Hello // sent after the first bytes; nil: none is sent

	Confirmed <-chan struct{} // closed when the peer has shown that it hears us, before which little is accepted from it; nil: it has already

	KeepAlive time.Duration // longest time between frames to the peer
	Patience  time.Duration // how long the peer may give no sign of life before the session ends

	Silence  func() time.Duration // time since the peer's last sign of life other than a frame
	Backlog  func() int           // bytes that may wait to be written, read anew for each write; nil or 0: 64 KiB
	Before   func()               // called before each write to the connection
	Resumed  func()               // called when receiving goes on after a pause; it must not call the session
	Released func()               // called when a stream is closed
	InUse    func()               // called by the receiver, about once a second, while a stream is in use, see usage; nil: nobody asks
	Panics   *rescue.Net          // a panic ends the session; nil: it ends the program
	Greeted  func(Hello)          // called by the receiver when the peer's hello is complete
}

// backlog is how many streams may wait for Accept. While that many wait, receiving stops.
const backlog = 1024

// Until the peer has shown that it hears us, at most earlyHold bytes of its data may be
// unread, and it may have at most earlyStreams streams. It may be a replay, so it gets
// little; it is enough for what a client sends uncompressed in one round trip.
const (
	earlyHold    = 64 << 10
	earlyStreams = 64
)

// maxStreams is how many open streams of the peer a session may have: as many as there are
// ports to connect from to one target.
const maxStreams = 1 << 16

// Session carries streams over one connection. Its methods may be called concurrently.
type Session struct {
	conn net.Conn
	cfg  Config
	out  *gatherer
	budget

	mu       sync.Mutex
	streams  map[uint32]*Stream
	next     uint32
	waiting  []*Stream             // for Accept
	err      error                 // why receiving has ended
	resume   sync.Cond             // signalled when unread or waiting shrinks, and when receiving ends
	paused   atomic.Bool           // the receiver waits on resume
	heard    atomic.Int64          // when a frame was last received, by clock.Now
	reason   atomic.Pointer[error] // given to Close
	arrived  chan struct{}         // waiting has grown
	done     chan struct{}         // closed when err is set
	received chan struct{}         // closed when the receiver has ended
	timer    *time.Timer
	due      time.Duration // when the timer fires, by clock.Now
	once     sync.Once

	starved  atomic.Int64          // when it was last known to receive nothing, by clock.Now; see lastStarved
	greeting greeting              // belongs to the receiver
	peer     atomic.Pointer[Hello] // the peer's complete hello

	lastStall time.Duration // when a tick was last too late, by clock.Now; used by tick alone
}

// New starts a session over conn, which the session then owns.
func New(conn net.Conn, cfg Config) *Session {
	s := &Session{
		conn: conn, cfg: cfg, streams: make(map[uint32]*Stream), next: 2,
		arrived: make(chan struct{}, 1), done: make(chan struct{}), received: make(chan struct{}),
	}
	if cfg.Client {
		s.next = 3 // as in smux
	}
	s.resume.L = &s.mu
	s.buffer, s.most, s.swept = int64(cfg.ReceiveBuffer), int64(cfg.StreamBuffer), clock.Now()
	s.follow, s.bound = cfg.Window, cfg.Memory
	s.out = newGatherer(conn, &cfg, s.end)
	s.heard.Store(int64(clock.Now()))
	s.starved.Store(math.MinInt64 / 2)
	s.mu.Lock()
	first := s.until(s.keepAlive())
	s.timer, s.due, s.lastStall = time.AfterFunc(first, s.tick), clock.Now()+first, math.MinInt64/2
	s.mu.Unlock()
	go s.receive()
	return s
}

// Open opens a stream. The SYN is held back until the first Write or Flush, which the
// caller must make, so that it travels with the first bytes. Open does not wait for the
// connection: whoever opens a stream may be gone before it has room.
func (s *Session) Open() (*Stream, error) {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return nil, s.err
	}
	for s.streams[s.next] != nil && s.next < uint32(firstMark) {
		s.next += 2 // the peer has used one of our ids
	}
	if s.next >= uint32(firstMark) {
		defer s.mu.Unlock()
		return nil, ErrExhausted
	}
	st := newStream(s, s.next)
	s.streams[st.id] = st
	s.next += 2
	s.mu.Unlock()
	if err := s.begin(st); err != nil {
		st.mu.Lock()
		st.release()
		st.mu.Unlock()
		s.forget(st)
		return nil, err
	}
	return st, nil
}

// begin queues the SYN of a stream, and an update if its window is not the usual one.
func (s *Session) begin(st *Stream) error {
	syn := newHeader(byte(s.cfg.Version), cmdSYN, 0, st.id)
	frames := [][]byte{syn[:]}
	window, sweep := st.open()
	if window != nil {
		frames = append(frames, window[:])
	}
	s.windowComputed(true, sweep)
	return s.out.hold(frames)
}

// Accept waits for the peer to open a stream. Its error says why the session has ended.
func (s *Session) Accept() (*Stream, error) {
	for {
		s.mu.Lock()
		if len(s.waiting) > 0 {
			defer s.mu.Unlock()
			st := s.waiting[0]
			s.waiting[0] = nil
			s.waiting = s.waiting[1:]
			if len(s.waiting) > 0 {
				s.wakeAccept()
			}
			s.wakeReceiver()
			return st, nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-s.arrived:
		case <-s.done:
		}
	}
}

func (s *Session) wakeAccept() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// NumStreams is the number of open streams.
func (s *Session) NumStreams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

// Nop sends a keepalive.
func (s *Session) Nop() error { return s.control(cmdNOP, nopAsks, false, new(waiter)) }

// Ask makes the peer acknowledge something. It does not wait for that.
func (s *Session) Ask() { s.sendNOP(nopAsks) }

func (s *Session) control(command byte, stream uint32, hold bool, by *waiter) error {
	h := newHeader(byte(s.cfg.Version), command, 0, stream)
	return s.out.write([][]byte{h[:]}, hold, by)
}

// post queues a frame without data; see gatherer.add. It sends nothing once the session has
// ended: a peer that has said goodbye may still be listening, and the FIN of a stream that
// was cut would tell it that the stream was complete.
func (s *Session) post(command byte, stream uint32, mayDrop bool) {
	s.queued(s.queue(command, stream, mayDrop))
}

// queue is post for a caller that holds the lock of a stream, and calls queued afterwards.
func (s *Session) queue(command byte, stream uint32, mayDrop bool) (ok bool) {
	select {
	case <-s.done:
		return true
	default:
	}
	h := newHeader(byte(s.cfg.Version), command, 0, stream)
	return s.out.add(h[:], mayDrop)
}

// queued ends the session if the peer accepts nothing, as the gatherer has reported.
func (s *Session) queued(ok bool) {
	if !ok {
		s.end(ErrStuck)
	}
}

// drainLook is how often Drain checks.
const drainLook = time.Millisecond

// Drain waits until the connection has accepted everything that streams have written, and
// their FINs, or until ctx ends. If nothing is pending it returns at once.
func (s *Session) Drain(ctx context.Context) error {
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for !s.out.written() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close ends the session and its streams, whose error is then reason, and closes the
// connection. It may be called again; the first reason is kept. A nil reason means
// net.ErrClosed.
func (s *Session) Close(reason error) {
	s.once.Do(func() {
		if reason == nil {
			reason = net.ErrClosed
		}
		s.reason.Store(&reason)
		s.end(reason)
		s.conn.Close()
		s.out.close()
		<-s.received
		s.dropWaiting()
	})
}

// dropWaiting discards the data of streams that were never accepted.
func (s *Session) dropWaiting() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, st := range waiting {
		st.mu.Lock()
		st.closed = true
		dropped := st.drop()
		st.mu.Unlock()
		s.freed(dropped)
	}
}

// end stops receiving and wakes all who wait.
func (s *Session) end(err error) {
	s.mu.Lock()
	s.timer.Stop()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	close(s.done)
	s.resume.Broadcast()
	s.mu.Unlock()
	for _, st := range s.all() {
		st.wake()
	}
}

// Ended is closed when receiving has ended; Err then says why.
func (s *Session) Ended() <-chan struct{} { return s.done }

// Err says why receiving has ended; nil while it goes on.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// all returns the streams of the session. A stream's lock must be taken before the
// session's.
func (s *Session) all() []*Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.streams))
}

// cut is the error of a stream that the peer can no longer finish; nil while the session
// goes on.
func (s *Session) cut() error {
	select {
	case <-s.done:
	default:
		return nil
	}
	if reason := s.reason.Load(); reason != nil {
		return *reason
	}
	return ErrCut
}

func (s *Session) forget(st *Stream) {
	s.mu.Lock()
	delete(s.streams, st.id)
	s.mu.Unlock()
}
