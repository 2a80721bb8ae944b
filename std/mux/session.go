// Package mux carries many streams over one connection, in the frames of smux 1
// and 2. Unlike the smux library it half-closes streams without losing bytes, lets
// frames that belong together travel together, writes from the goroutine that has
// something to write, and needs two goroutines for a session, none for a stream.
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
	// ErrProtocol is the end of a session whose peer sent what smux of its version
	// does not send.
	ErrProtocol = errors.New("not the peer's protocol")
	// ErrSilent is the end of a session whose peer gave no sign of life for the time
	// of Config.Patience.
	ErrSilent = errors.New("peer is silent")
	// ErrCut is the end of a stream whose session ended before the peer had finished
	// it: what was read is not all.
	ErrCut = errors.New("session ended before the stream did")
	// ErrGone is the error of a Write to a stream that the peer has closed whole, where
	// the peer says so; smux does not.
	ErrGone = errors.New("the other end has closed the stream")
	// ErrStuck is the end of a session whose peer makes us answer and takes no answers.
	ErrStuck = errors.New("peer takes nothing")
	// ErrExhausted is returned by Open of a session that has used up its stream ids.
	ErrExhausted = errors.New("no stream ids are left")
)

// Config are the settings of a session.
type Config struct {
	Client        bool         // opens streams with odd ids, the other end with even ones
	Version       int          // of smux: 1, or 2 with a window for each stream
	FrameSize     int          // most data in a frame that is sent, in bytes, up to 65535
	ReceiveBuffer int          // bytes that all streams may hold unread; with smux 2 twice that in the worst case, see budget
	StreamBuffer  int          // bytes of one stream that the peer may send beyond what was read, at most, in smux 2
	Window        func() int64 // bytes that may be on their way, which ReceiveBuffer follows, see budget; nil: it does not
	Memory        *quota.Bound // of what all sessions hold; nil: there is none
	Segment       int          // bytes: under load multiples of it are written

	Hello *Hello // sent behind the first bytes; nil: nothing is

	Confirmed <-chan struct{} // closed when the peer has shown that it hears us; until then little is taken of it; nil: it has

	KeepAlive time.Duration // longest time between frames to the peer
	Patience  time.Duration // of a peer that gives no sign of life, after which the session ends

	Silence  func() time.Duration // since the peer's last sign of life other than a frame
	Backlog  func() int           // bytes that may wait to be written, which may change; nil or 0: 64 KiB
	Before   func()               // called before each write to the connection
	Resumed  func()               // called when reading the connection goes on after a pause; it must not call the session
	Released func()               // called when a stream was closed
	Panics   *rescue.Net          // a panic ends the session; nil: the program
	Greeted  func(Hello)          // called when the peer's hello has come, by the receiver
}

// backlog is how many streams of the peer may wait for Accept for more to be
// received.
const backlog = 1024

// earlyHold is how many bytes of a peer may be unread that has not shown that it hears us,
// and earlyStreams how many streams it may have. What comes then may be a recording, and
// what it sends uncompressed in one round trip fits.
const (
	earlyHold    = 64 << 10
	earlyStreams = 64
)

// maxStreams is how many streams a session has at most that the peer opened: as many as
// there are ports for them to a target.
const maxStreams = 1 << 16

// Session is streams over one connection. The methods may be used at the same time.
type Session struct {
	conn net.Conn
	cfg  Config
	out  *gatherer
	budget

	mu       sync.Mutex
	streams  map[uint32]*Stream
	next     uint32
	waiting  []*Stream             // for Accept
	err      error                 // why nothing more is received
	resume   sync.Cond             // unread or waiting shrank, or the session ended
	paused   atomic.Bool           // the receiver waits for resume
	heard    atomic.Int64          // when a frame was last received, by package clock
	reason   atomic.Pointer[error] // given to Close
	arrived  chan struct{}         // waiting has grown
	done     chan struct{}         // closed with err
	received chan struct{}         // closed when the receiver has ended
	timer    *time.Timer
	due      time.Duration // when the timer fires, by package clock
	once     sync.Once

	greeting greeting              // the receiver's
	peer     atomic.Pointer[Hello] // what has come of it

	stoodStill time.Duration // when a tick was late last, by package clock; for tick alone
}

// New starts a session over conn, which it owns from then on.
func New(conn net.Conn, cfg Config) *Session {
	s := &Session{
		conn: conn, cfg: cfg, streams: make(map[uint32]*Stream), next: 2,
		arrived: make(chan struct{}, 1), done: make(chan struct{}), received: make(chan struct{}),
	}
	if cfg.Client {
		s.next = 3 // as smux has it
	}
	s.resume.L = &s.mu
	s.buffer, s.most, s.swept = int64(cfg.ReceiveBuffer), int64(cfg.StreamBuffer), clock.Now()
	s.follow, s.bound = cfg.Window, cfg.Memory
	s.out = newGatherer(conn, &cfg, s.end)
	s.heard.Store(int64(clock.Now()))
	s.mu.Lock()
	first := s.until(s.keepAlive())
	s.timer, s.due, s.stoodStill = time.AfterFunc(first, s.tick), clock.Now()+first, math.MinInt64/2
	s.mu.Unlock()
	go s.receive()
	return s
}

// Open opens a stream. The peer learns of it with its first Write or Flush, which
// the caller sees to: the first bytes travel with the opening.
func (s *Session) Open() (*Stream, error) {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return nil, s.err
	}
	for s.streams[s.next] != nil && s.next < uint32(firstMark) {
		s.next += 2 // the peer has opened it, though it is ours
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

// begin sends the opening of a stream, and its window where that is not the usual one.
func (s *Session) begin(st *Stream) error {
	syn := newHeader(byte(s.cfg.Version), cmdSYN, 0, st.id)
	frames := [][]byte{syn[:]}
	window, sweep := st.open()
	if window != nil {
		frames = append(frames, window[:])
	}
	s.settle(true, sweep)
	return s.out.write(frames, true, &st.waiter)
}

// Accept waits for the peer to open a stream. Its error is why the session has
// ended.
func (s *Session) Accept() (*Stream, error) {
	for {
		s.mu.Lock()
		if len(s.waiting) > 0 {
			defer s.mu.Unlock()
			st := s.waiting[0]
			s.waiting[0] = nil
			s.waiting = s.waiting[1:]
			if len(s.waiting) > 0 {
				s.announce()
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

func (s *Session) announce() {
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

// Ask has the peer acknowledge something, and does not wait.
func (s *Session) Ask() { s.sendNOP(nopAsks) }

func (s *Session) control(command byte, stream uint32, hold bool, by *waiter) error {
	h := newHeader(byte(s.cfg.Version), command, 0, stream)
	return s.out.write([][]byte{h[:]}, hold, by)
}

// post sends a frame without data and without waiting; see gatherer.add. After the end of
// the session it sends nothing: the FIN of a stream that was cut would tell a peer that has
// said goodbye, and still listens, that the stream was whole.
func (s *Session) post(command byte, stream uint32, mayDrop bool) {
	select {
	case <-s.done:
		return
	default:
	}
	h := newHeader(byte(s.cfg.Version), command, 0, stream)
	s.add(h[:], mayDrop)
}

// add is gatherer.add, and the end of a session whose peer takes nothing.
func (s *Session) add(frame []byte, mayDrop bool) {
	if !s.out.add(frame, mayDrop) {
		s.end(ErrStuck)
	}
}

// drainLook is how often Drain looks.
const drainLook = time.Millisecond

// Drain waits until the connection has taken all that streams have written, and the ends
// of those that were closed, or ctx ends. Where nothing waits it returns at once.
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

// Close ends the session and its streams, for which reason is the error, and closes
// the connection. It is idempotent; the first reason is kept; nil is net.ErrClosed.
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

// dropWaiting drops what has come for streams that nobody has accepted.
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

// end lets nothing more be received and wakes whoever waits.
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

// Ended is closed when nothing more is received. Err says why then.
func (s *Session) Ended() <-chan struct{} { return s.done }

// Err is why nothing more is received; nil before.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// all are the streams of the session. Their locks come before the session's.
func (s *Session) all() []*Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.streams))
}

// cut is the error of a stream that the peer has not finished; nil while it may.
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
