package mux

import "io"

// How a stream ends. A FIN ends one direction, and that is all that smux knows. Ends of ours
// also tell each other, in NOPs with the id of the stream, that they read no more of it, and
// that what they have sent is incomplete.

// CloseWrite ends the outgoing direction after the data already written. The other
// direction goes on. It does not wait for the connection.
func (st *Stream) CloseWrite() error {
	st.mu.Lock()
	ok := st.sendFIN()
	st.mu.Unlock()
	st.session.queued(ok)
	return st.session.cut()
}

// sendFIN queues our FIN, unless that was done before; st.mu is held, so that the peer gets
// it in the right order with what sayClosed sends. It returns false if the peer accepts
// nothing.
func (st *Stream) sendFIN() (ok bool) {
	if st.finSent {
		return true
	}
	st.finSent = true
	return st.session.queue(cmdFIN, st.id, false)
}

// CloseRead ends the incoming direction: what is unread and what still comes is dropped,
// and the peer is told, whose writing fails from then on. A stock peer does not understand
// that. The other direction goes on.
func (st *Stream) CloseRead() {
	st.mu.Lock()
	if st.closed || st.deaf {
		st.mu.Unlock()
		return
	}
	st.deaf = true
	dropped := st.drop()
	ok := st.finished || st.sayDeaf()
	st.mu.Unlock()
	st.session.queued(ok)
	st.session.freed(dropped)
}

// drop discards unread data and returns how much memory it took; st.mu is held.
func (st *Stream) drop() (memory int) {
	memory = st.unread.clear()
	st.release()
	st.changed.Broadcast()
	return memory
}

// Close ends both directions and discards unread data. It does not wait for the connection.
func (st *Stream) Close() error { return st.end(false) }

// Reset is Close for a stream whose outgoing direction is cut. Unless that has been
// finished, the peer reads what was sent, and then ErrReset. A stock peer reads an EOF.
func (st *Stream) Reset() error { return st.end(true) }

// end closes the stream. cut tells that the outgoing direction is incomplete.
func (st *Stream) end(cut bool) error {
	st.mu.Lock()
	if st.closed {
		st.mu.Unlock()
		return nil
	}
	st.closed = true
	dropped := st.drop()
	ok := st.sayClosed(cut)
	st.mu.Unlock()
	st.session.queued(ok)
	st.session.out.end(&st.waiter, io.ErrClosedPipe)
	if dropped > 0 {
		st.session.freed(dropped)
	}
	st.session.forget(st)
	st.session.cfg.Released()
	return nil
}

// sayClosed tells the peer that we have closed both directions, which a FIN does not say. If
// ours was cut, it says twice before the FIN that we read no more. st.mu is held. It returns
// false if the peer accepts nothing.
func (st *Stream) sayClosed(cut bool) (ok bool) {
	ok = true
	if cut = cut && !st.finSent; cut {
		ok = st.sayDeaf() && st.session.queueGone(st.id)
	}
	ok = st.sendFIN() && ok
	if !cut && !st.finished {
		ok = st.sayDeaf() && ok
	}
	return ok
}

// sayDeaf tells the peer that we read no more, unless it knows.
func (st *Stream) sayDeaf() (ok bool) {
	if st.told {
		return true
	}
	st.told = true
	return st.session.queueGone(st.id)
}

func (st *Stream) finish() {
	st.mu.Lock()
	st.finished = true
	st.release()
	st.changed.Broadcast()
	st.mu.Unlock()
}

// refuse records that the peer reads no more, so that writing is pointless, and waiting for
// that, too. If the peer says so again before it has finished its direction, it has cut
// that.
func (st *Stream) refuse() {
	st.mu.Lock()
	again := st.gone
	st.reset = st.reset || st.gone && !st.finished
	st.gone = true
	if st.reset {
		st.tellEnd()
	}
	st.changed.Broadcast()
	st.mu.Unlock()
	if !again {
		st.session.out.end(&st.waiter, ErrGone)
	}
}

// Ended is closed when the session has ended, or the peer has reset the stream: nothing more
// arrives on it, and nothing that is written is sent.
func (st *Stream) Ended() <-chan struct{} {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.over == nil {
		st.over = make(chan struct{})
		if st.cut() != nil {
			close(st.over)
		}
	}
	return st.over
}

// tellEnd closes the channel of Ended; st.mu is held.
func (st *Stream) tellEnd() {
	if st.over == nil {
		return
	}
	select {
	case <-st.over:
	default:
		close(st.over)
	}
}

// Cut says why the stream has ended so; nil while it goes on.
func (st *Stream) Cut() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.cut()
}

// cut is Cut with st.mu held.
func (st *Stream) cut() error {
	if err := st.session.cut(); err != nil || !st.reset {
		return err
	}
	return ErrReset
}
