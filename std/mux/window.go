package mux

import "encoding/binary"

// window is what the peer was told of a stream in smux 2, and what became of it. The
// stream's lock guards it.
type window struct {
	consumed uint32 // bytes that were read, modulo 2^32 as on the wire
	untold   uint32 // how many of them the peer was not told
	told     int64  // the window of the last update, or firstWindow
	updated  bool   // after something was read

	held    int64 // bytes unread, with those that are being written
	memory  int64 // of their blocks, in bytes
	promise int64 // bytes that the peer may still send
	idle    bool  // promise does not count in the budget
	touched bool  // something was received since the last sweep
}

// windowFrame is the frame that tells a window.
type windowFrame [headerBytes + updateBytes]byte

// open counts a new stream. Where firstWindow is too much now it returns the update
// that says so, to be sent behind the opening.
func (st *Stream) open() (frame *windowFrame, sweep bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.in = window{told: firstWindow, promise: firstWindow, touched: true}
	if st.session.cfg.Version != 2 {
		return nil, false
	}
	size, tell, sweep := st.session.admit(&st.in)
	if tell {
		frame = st.tell(size)
	}
	return frame, sweep
}

// tell takes note of a window that the peer is told, and returns the frame; st.mu is held.
func (st *Stream) tell(size int64) *windowFrame {
	w := &st.in
	w.told, w.untold, w.promise = size, 0, max(size-w.held, 0)
	frame := new(windowFrame)
	h := newHeader(2, cmdUPD, updateBytes, st.id)
	copy(frame[:], h[:])
	binary.LittleEndian.PutUint32(frame[headerBytes:], w.consumed)
	binary.LittleEndian.PutUint32(frame[headerBytes+4:], uint32(size))
	return frame
}

// received takes note of n bytes and of the memory that they took; st.mu is held, and
// the caller calls settle.
func (st *Stream) received(n, memory int) (ok, sweep bool) {
	w := &st.in
	used := min(w.promise, int64(n))
	w.held += int64(n)
	w.memory += int64(memory)
	w.promise -= used
	w.touched = true
	if st.session.cfg.Version != 2 {
		return true, false
	}
	if !w.idle {
		st.session.promised.Add(-used)
		return true, false
	}
	w.idle = false
	size, tell, sweep := st.session.admit(w)
	if !tell {
		return true, sweep
	}
	return st.session.out.add(st.tell(size)[:], false), sweep
}

// read takes note of n bytes that were read, and tells the peer now and then: first
// after little, since most streams end without needing it, and then after each half of
// the window. It does not wait for the connection: where the readers of both ends
// did, while both receivers wait for the readers, nothing would move again. st.mu is
// held, so that updates are sent in the order of what they say.
func (st *Stream) read(n, memory int) (ok, sweep bool) {
	w := &st.in
	w.held -= int64(n)
	w.memory -= int64(memory)
	w.consumed += uint32(n)
	w.untold += uint32(n)
	after := w.told / 2
	if !w.updated {
		after = min(after, firstUpdate)
	}
	if st.finished || st.closed || int64(w.untold) < after {
		return true, false
	}
	w.updated = true
	size, sweep := st.session.renew(w)
	return st.session.out.add(st.tell(size)[:], false), sweep
}

// release counts the promise no more: the peer sends nothing, or it is dropped. st.mu is
// held.
func (st *Stream) release() {
	if !st.in.idle && st.session.cfg.Version == 2 {
		st.session.promised.Add(-st.in.promise)
	}
	st.in.promise, st.in.idle = 0, false
}

// rest stops counting the promise of a stream that has received nothing since the last
// time, and takes a large one back.
func (st *Stream) rest() (ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	w := &st.in
	touched := w.touched
	w.touched = false
	if touched || w.idle || w.promise == 0 {
		return true
	}
	w.idle = true
	st.session.promised.Add(-w.promise)
	if w.promise <= firstWindow {
		return true
	}
	return st.session.out.add(st.tell(w.held + firstWindow)[:], false)
}

// settle does what is due after a window was reckoned, with no lock held: ok is false
// where the peer takes no updates.
func (s *Session) settle(ok, sweep bool) {
	if sweep {
		for _, st := range s.all() {
			ok = st.rest() && ok
		}
	}
	if !ok {
		s.end(ErrStuck)
	}
}
