// Package mux carries many streams over one connection, in the frames of smux 1
// and 2. Unlike the smux library it half-closes streams without losing bytes, lets
// frames that belong together travel together, writes from the goroutine that has
// something to write, and needs two goroutines for a session, none for a stream.
package mux

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrProtocol is the end of a session whose peer sent what smux of its version
	// does not send.
	ErrProtocol = errors.New("not the peer's protocol")
	// ErrSilent is the end of a session whose peer was not heard for the time of
	// Config.Patience.
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
	Client        bool // opens streams with odd ids, the other end with even ones
	Version       int  // of smux: 1, or 2 with a window for each stream
	FrameSize     int  // most data in a frame that is sent, in bytes, up to 65535
	ReceiveBuffer int  // bytes of all streams that may be unread for more to be received
	StreamBuffer  int  // bytes of one stream that the peer may send beyond what was read, in smux 2
	Segment       int  // bytes: under load multiples of it are written

	KeepAlive time.Duration // longest time between frames to the peer
	Patience  time.Duration // of hearing no frame, after which the session ends

	Before   func() // called before each write to the connection
	Released func() // called when a stream was closed
}

// backlog is how many streams of the peer may wait for Accept for more to be
// received.
const backlog = 1024

// Session is streams over one connection. The methods may be used at the same time.
type Session struct {
	conn net.Conn
	cfg  Config
	out  *gatherer

	mu       sync.Mutex
	streams  map[uint32]*Stream
	next     uint32
	waiting  []*Stream // for Accept
	err      error     // why nothing more is received
	resume   sync.Cond // unread or waiting shrank, or the session ended
	unread   atomic.Int64
	paused   atomic.Bool           // the receiver waits for resume
	heard    atomic.Int64          // when a frame was last received, see now
	reason   atomic.Pointer[error] // given to Close
	arrived  chan struct{}         // waiting has grown
	done     chan struct{}         // closed with err
	received chan struct{}         // closed when the receiver has ended
	timer    *time.Timer
	once     sync.Once
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
	s.out = newGatherer(conn, cfg.Segment, cfg.Before)
	s.heard.Store(now())
	s.mu.Lock()
	s.timer = time.AfterFunc(s.until(s.keepAlive()), s.tick)
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
	for s.streams[s.next] != nil && s.next <= math.MaxUint32-2 {
		s.next += 2 // the peer has opened it, though it is ours
	}
	if s.next > math.MaxUint32-2 {
		defer s.mu.Unlock()
		return nil, ErrExhausted
	}
	st := newStream(s, s.next)
	s.streams[st.id] = st
	s.next += 2
	s.mu.Unlock()
	if err := s.control(cmdSYN, st.id, true, &st.waiter); err != nil {
		s.forget(st)
		return nil, err
	}
	return st, nil
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

// Nop sends a frame that says nothing.
func (s *Session) Nop() error { return s.control(cmdNOP, 0, false, new(waiter)) }

func (s *Session) control(command byte, stream uint32, hold bool, by *waiter) error {
	h := newHeader(byte(s.cfg.Version), command, 0, stream)
	return s.out.write([][]byte{h[:]}, hold, by)
}

// post sends a frame without data and without waiting; see gatherer.add.
func (s *Session) post(command byte, stream uint32, mayDrop bool) {
	h := newHeader(byte(s.cfg.Version), command, 0, stream)
	s.add(h[:], mayDrop)
}

// add is gatherer.add, and the end of a session whose peer takes nothing.
func (s *Session) add(frame []byte, mayDrop bool) {
	if !s.out.add(frame, mayDrop) {
		s.end(ErrStuck)
	}
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
	})
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
	streams := slices.Collect(maps.Values(s.streams))
	s.mu.Unlock()
	for _, st := range streams { // whose locks come before the session's
		st.wake()
	}
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

// receive is the goroutine that reads the connection.
func (s *Session) receive() {
	defer close(s.received)
	var in receiver
	for {
		if err := s.step(&in); err != nil {
			s.end(err)
			return
		}
	}
}

// receiver is what receiving needs for one frame at a time.
type receiver struct {
	header header
	small  [smallBlock]byte
}

// step receives one frame.
func (s *Session) step(in *receiver) error {
	if err := s.mayReceive(); err != nil {
		return err
	}
	h := &in.header
	if _, err := io.ReadFull(s.conn, h[:]); err != nil {
		return err
	}
	s.heard.Store(now())
	if err := h.check(byte(s.cfg.Version)); err != nil {
		return err
	}
	switch h.command() {
	case cmdSYN:
		s.opened(h.stream())
	case cmdFIN:
		if st := s.stream(h.stream()); st != nil {
			st.finish()
		}
	case cmdPSH:
		return s.data(in)
	case cmdUPD:
		update := in.small[:updateBytes]
		if _, err := io.ReadFull(s.conn, update); err != nil {
			return err
		}
		if st := s.stream(h.stream()); st != nil {
			st.grant(binary.LittleEndian.Uint32(update), binary.LittleEndian.Uint32(update[4:]))
		}
	case cmdNOP:
		if h.stream() == 0 {
			s.answer()
		} else if st := s.stream(h.stream()); st != nil {
			st.refuse()
		}
	}
	return nil
}

// mayReceive waits while much is unread.
func (s *Session) mayReceive() error {
	if s.unread.Load() < int64(s.cfg.ReceiveBuffer) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause(func() bool { return s.unread.Load() >= int64(s.cfg.ReceiveBuffer) })
	return s.err
}

// pause waits while full says so; s.mu is held.
func (s *Session) pause(full func() bool) {
	s.paused.Store(true) // before full looks: who makes room looks at it afterwards
	for s.err == nil && full() {
		s.resume.Wait()
	}
	s.heard.Store(now()) // before tick sees that we listen again
	s.paused.Store(false)
}

// wakeReceiver is called when there is more room; s.mu is held.
func (s *Session) wakeReceiver() {
	if s.paused.Load() {
		s.resume.Broadcast()
	}
}

// taken takes note that n bytes are not unread any more.
func (s *Session) taken(n int) {
	s.unread.Add(-int64(n))
	if s.paused.Load() {
		s.mu.Lock()
		s.wakeReceiver()
		s.mu.Unlock()
	}
}

// opened takes a stream of the peer's in.
func (s *Session) opened(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[id] != nil {
		return
	}
	if len(s.waiting) >= backlog {
		s.pause(func() bool { return len(s.waiting) >= backlog })
	}
	if s.err != nil {
		return
	}
	st := newStream(s, id)
	s.streams[id] = st
	s.waiting = append(s.waiting, st)
	s.announce()
}

func (s *Session) stream(id uint32) *Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[id]
}

// listener reads the data of a frame, which may come so slowly that the peer would be
// given up amid it.
type listener Session

func (l *listener) Read(p []byte) (int, error) {
	n, err := l.conn.Read(p)
	l.heard.Store(now())
	return n, err
}

// data receives the data of a frame. Of a stream that we have closed it is dropped.
func (s *Session) data(in *receiver) error {
	size := in.header.size()
	if size <= len(in.small) {
		if _, err := io.ReadFull((*listener)(s), in.small[:size]); err != nil {
			return err
		}
		if st := s.stream(in.header.stream()); st != nil {
			st.take(in.small[:size], nil)
		}
		return nil
	}
	b := newBlock(size)
	b.bytes = b.bytes[:size]
	_, err := io.ReadFull((*listener)(s), b.bytes)
	st := s.stream(in.header.stream())
	if err != nil || st == nil {
		b.free()
		return err
	}
	st.take(nil, b)
	return nil
}
