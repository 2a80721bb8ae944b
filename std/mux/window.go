package mux

import "encoding/binary"

// window is the receive window of a stream in smux 2: what the peer was told, and what has
// been received and read since. The stream's lock guards it.
type window struct {
	consumed uint32 // bytes read, modulo 2^32 as on the wire
	untold   uint32 // bytes read since the last update
	told     int64  // the window in the last update, or firstWindow
	buffer   int64  // R when the window was last computed, see budget
	updated  bool   // an update was sent after a read

	held    int64 // bytes unread, including those being written to a WriteTo's destination
	memory  int64 // bytes of memory in their blocks
	promise int64 // bytes that the peer may still send
	idle    bool  // promise is not counted in the budget, as at first
	touched bool  // data was received since the last sweep
}

// A window is also updated when R has grown by 1/windowStep since it was computed. A sender that
// searches for the rate doubles it in a round trip, and would have used up the window before
// half of it has been read here. It is computed anew for data that arrives when the limit for
// all sessions allows less than R less 1/windowStep.
const windowStep = 4

// count starts to count the promise of a stream that was idle. It returns how much of it has
// been counted so far.
func (w *window) count() int64 {
	if !w.idle {
		return w.promise
	}
	w.idle = false
	return 0
}

// windowFrame is a window update.
type windowFrame [headerBytes + updateBytes]byte

// open counts the promise of a new stream. If firstWindow is too large now, it returns an
// update with a smaller one, to be sent right after the SYN.
func (st *Stream) open() (frame *windowFrame, sweep bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.session.cfg.Version != 2 || !st.in.idle {
		return nil, false // not idle: the peer has sent data before our SYN
	}
	size, tell, sweep := st.session.limit(&st.in)
	if tell {
		frame = st.tell(size)
	}
	return frame, sweep
}

// tell records the window that the peer is told, and returns the update; st.mu is held.
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

// received accounts for n bytes received and their memory. st.mu is held; the caller must
// call settle afterwards.
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
		if memory == 0 || st.session.bounded() >= w.buffer/windowStep*(windowStep-1) {
			return true, false
		}
	}
	size, tell, sweep := st.session.limit(w)
	if !tell {
		return true, sweep
	}
	return st.session.out.add(st.tell(size)[:], false), sweep
}

// read accounts for n bytes read, and sends an update when one is due: the first one early
// (see firstUpdate), later ones after each half of the window, or once the buffer has grown.
// It does not wait for the connection: if the readers of both ends did while both receivers
// wait for their readers, nothing would ever move again. st.mu is held, so that updates are
// sent in the right order.
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
	grown := w.updated && memory > 0 && st.session.forWindows() >= w.buffer/windowStep*(windowStep+1)
	if st.finished || st.closed || int64(w.untold) < after && !grown {
		return true, false
	}
	w.updated = true
	size, sweep := st.session.renew(w)
	return st.session.out.add(st.tell(size)[:], false), sweep
}

// release stops counting the promise, because the peer will send nothing more or it will be
// dropped; st.mu is held.
func (st *Stream) release() {
	if !st.in.idle && st.session.cfg.Version == 2 {
		st.session.promised.Add(-st.in.promise)
	}
	st.in.promise, st.in.idle = 0, false
}

// demote stops counting the promise of a stream that has received nothing since the last
// sweep, and reduces the promise if it is large.
func (st *Stream) demote() (ok bool) {
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

// windowComputed does what is due after a window was computed, with no lock held. ok is
// false if the peer does not accept updates.
func (s *Session) windowComputed(ok, sweep bool) {
	if sweep {
		for _, st := range s.all() {
			ok = st.demote() && ok
		}
	}
	s.queued(ok)
}
