package mux

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"kcptun/std/clock"
)

// receive is the goroutine that reads the connection.
func (s *Session) receive() {
	defer close(s.received)
	defer s.cfg.Panics.Catch(s.end)
	var in receiver
	for {
		if err := s.step(&in); err != nil {
			s.end(err)
			return
		}
	}
}

// receiver is the state of the receiving goroutine.
type receiver struct {
	header    header
	confirmed bool
	small     [smallBlock]byte
}

// step receives one frame.
func (s *Session) step(in *receiver) error {
	if !in.confirmed {
		in.confirmed = s.awaitConfirmed()
	}
	if err := s.mayReceive(); err != nil {
		return err
	}
	h := &in.header
	if _, err := io.ReadFull(s.conn, h[:]); err != nil {
		return err
	}
	s.heard.Store(int64(clock.Now()))
	if err := h.check(byte(s.cfg.Version)); err != nil {
		return err
	}
	switch h.command() {
	case cmdSYN:
		return s.opened(h.stream())
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
		return s.receiveNOP(h.stream())
	}
	return nil
}

// awaitConfirmed blocks if the peer has sent all that it may send before it is confirmed,
// until it is. It reports whether the peer is confirmed.
func (s *Session) awaitConfirmed() bool {
	if s.cfg.Confirmed == nil {
		return true
	}
	s.mu.Lock()
	much := s.unread.Load() >= earlyHold || len(s.streams) >= earlyStreams
	s.mu.Unlock()
	if !much {
		return false
	}
	select {
	case <-s.cfg.Confirmed:
		s.cfg.Resumed()
		return true
	case <-s.done:
		return false
	}
}

// mayReceive waits while too much is unread.
func (s *Session) mayReceive() error {
	if !s.full(s.cfg.Version) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause(func() bool { return s.full(s.cfg.Version) })
	return s.err
}

// IsFull tells whether the session receives nothing now, for any stream, because too much of
// what it received is unread.
func (s *Session) IsFull() bool { return s.paused.Load() }

// lastStarved is when the session was last unable to receive anything, by clock.Now: now, if
// too much is unread, or if the peer has given no sign of life for longer than it does on a
// path that works. A session that has ended is not starved.
func (s *Session) lastStarved() time.Duration {
	now := clock.Now()
	if s.paused.Load() || s.isDown(now) && s.cut() == nil {
		return now
	}
	return time.Duration(s.starved.Load())
}

// isDown reports whether the peer should have been heard since it was heard last.
func (s *Session) isDown(now time.Duration) bool {
	return min(now-time.Duration(s.heard.Load()), s.cfg.Silence()) > s.keepAlive()*3/2
}

// pause waits while full returns true; s.mu is held.
func (s *Session) pause(full func() bool) {
	s.paused.Store(true) // before the first call of full: whoever makes room checks paused afterwards
	for s.err == nil && full() {
		s.awaitRoom()
	}
	s.starved.Store(int64(clock.Now()))
	s.paused.Store(false)
	s.cfg.Resumed()
}

// awaitRoom waits until there may be more room; s.mu is held. If there is a limit for all
// sessions, others may make room, but they do not know who is waiting, so it also checks now
// and then.
func (s *Session) awaitRoom() {
	if s.bound != nil {
		look := time.AfterFunc(lookInterval, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.wakeReceiver()
		})
		defer look.Stop()
	}
	s.resume.Wait()
}

// wakeReceiver must be called when there is more room; s.mu is held.
func (s *Session) wakeReceiver() {
	if s.paused.Load() {
		s.resume.Broadcast()
	}
}

// freed subtracts memory that no longer holds unread data.
func (s *Session) freed(memory int) {
	s.hold(-memory)
	if s.paused.Load() {
		s.mu.Lock()
		s.wakeReceiver()
		s.mu.Unlock()
	}
}

// opened handles a SYN of the peer.
func (s *Session) opened(id uint32) error {
	st, err := s.enlist(id)
	if err == errTooMany { // the stream is reset; nothing is kept of it here
		ok := s.queueGone(id)
		s.queued(ok && s.queueGone(id) && s.queue(cmdFIN, id, false))
		return nil
	}
	if st == nil || err != nil {
		return err
	}
	frame, sweep := st.open()
	ok := true
	if frame != nil {
		ok = s.out.add(frame[:], false)
	}
	s.windowComputed(ok, sweep)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.waiting = append(s.waiting, st)
	s.wakeAccept()
	return nil
}

var errTooMany = errors.New("too many streams")

// enlist creates a stream opened by the peer. It returns nil if there is one with this id.
func (s *Session) enlist(id uint32) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[id] != nil {
		return nil, nil
	}
	if len(s.waiting) >= backlog {
		s.pause(func() bool { return len(s.waiting) >= backlog })
	}
	if s.err != nil {
		return nil, s.err
	}
	if len(s.streams) >= maxStreams {
		return nil, errTooMany
	}
	st := newStream(s, id)
	s.streams[id] = st
	return st, nil
}

func (s *Session) stream(id uint32) *Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[id]
}

// heardReader reads the data of a frame. It records each read as a sign of life, because a
// large frame on a slow path may take longer than the peer may be silent.
type heardReader Session

func (r *heardReader) Read(p []byte) (int, error) {
	n, err := r.conn.Read(p)
	r.heard.Store(int64(clock.Now()))
	return n, err
}

// data receives the data of a frame. It is dropped if we have closed the stream.
func (s *Session) data(in *receiver) error {
	size := in.header.size()
	if size <= len(in.small) {
		if _, err := io.ReadFull((*heardReader)(s), in.small[:size]); err != nil {
			return err
		}
		if st := s.stream(in.header.stream()); st != nil {
			st.deliver(in.small[:size], nil)
		}
		return nil
	}
	b := newBlock(size)
	b.bytes = b.bytes[:size]
	_, err := io.ReadFull((*heardReader)(s), b.bytes)
	st := s.stream(in.header.stream())
	if err != nil || st == nil {
		b.free()
		return err
	}
	st.deliver(nil, b)
	return nil
}
