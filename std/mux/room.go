package mux

import (
	"io"
	"math"
)

// Room is how many bytes may be read ahead for a Write. It is 0 if AwaitRoom must be called
// first. That way only one stream of a session waits in Write with data; the others hold
// none.
func (st *Stream) Room() int {
	write := st.session.out.readAhead()
	if write == 0 {
		return 0
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.allowed(write)
}

// AwaitRoom waits until a Write of up to size bytes would not block, and returns how many
// bytes that Write may have. As with Write, small sizes do not queue behind large ones. The
// caller must write soon or end the stream, since the next in the queue waits for that.
func (st *Stream) AwaitRoom(size int) (int, error) {
	for {
		if err := st.awaitCredit(); err != nil {
			return 0, err
		}
		write, err := st.session.out.awaitRoom(size, &st.waiter)
		if err != nil {
			return 0, st.explain(err)
		}
		st.mu.Lock()
		n := st.allowed(write)
		st.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		st.session.out.pass(&st.waiter) // the stream was ended, or its window has shrunk
	}
}

// Cancel makes AwaitRoom and all writes to the stream return an error from now on,
// including those already waiting. It tells the peer nothing.
func (st *Stream) Cancel() {
	st.mu.Lock()
	st.canceled = true
	st.changed.Broadcast()
	st.mu.Unlock()
	st.session.out.end(&st.waiter, io.ErrClosedPipe)
}

// OnWait sets what is called when AwaitRoom or a write begins to wait for room. It is called
// with locks held, so it must not call the stream. Only the goroutine that writes may set it.
func (st *Stream) OnWait(f func()) { st.waiter.waits = f }

// awaitCredit waits until the peer has room for this stream.
func (st *Stream) awaitCredit() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.writable()
}

// credit waits until the peer has room for data, and uses up to n bytes of that room.
func (st *Stream) credit(n int) (int, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.writable(); err != nil {
		return 0, err
	}
	n = st.allowed(n)
	st.sent += uint32(n)
	return n, nil
}

// writable waits until the peer has room for data; st.mu is held, but released while it
// flushes.
func (st *Stream) writable() error {
	for flushed := false; ; {
		if st.closed || st.finSent || st.canceled {
			return io.ErrClosedPipe
		}
		if err := st.session.cut(); err != nil {
			return err
		}
		if st.gone {
			return ErrGone
		}
		if st.allowed(1) > 0 {
			return nil
		}
		if flushed {
			st.waiter.begin()
			st.changed.Wait()
			continue
		}
		// The peer may be waiting for the very data that is held back.
		st.mu.Unlock()
		err := st.Flush()
		st.mu.Lock()
		if err != nil {
			return err
		}
		flushed = true
	}
}

// allowed is how many of n bytes the peer has room for; st.mu is held. It is 0 if the peer
// claims to have consumed more than was sent.
func (st *Stream) allowed(n int) int {
	if st.closed || st.finSent || st.canceled {
		return 0
	}
	if st.session.cfg.Version != 2 {
		return n
	}
	inFlight := st.sent - st.consumedByPeer
	if inFlight > math.MaxInt32 || inFlight >= st.window {
		return 0
	}
	return int(min(uint32(n), st.window-inFlight))
}
