package mux

import (
	"io"
	"math"
)

// Room is how many bytes may be read ahead for a Write; 0 where AwaitRoom is to be called
// first. Of the streams of a session only one waits in Write then, while the others
// hold nothing.
func (st *Stream) Room() int {
	write := st.session.out.free()
	if write == 0 {
		return 0
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.allowed(write)
}

// AwaitRoom waits until a Write of up to size bytes need not wait, and returns how
// many bytes it takes. As in Write, small sizes do not queue with large ones. Whoever
// was given room writes soon, or ends the stream: the next in the queue goes on then.
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

// Cancel has AwaitRoom, and what else waits to write to the stream, return an error from
// now on. It tells the peer nothing.
func (st *Stream) Cancel() {
	st.mu.Lock()
	st.canceled = true
	st.changed.Broadcast()
	st.mu.Unlock()
	st.session.out.end(&st.waiter)
}

// awaitCredit waits until the peer has room for this stream.
func (st *Stream) awaitCredit() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.writable()
}

// credit takes up to n bytes of what the peer has room for, and waits for it.
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

// writable waits until the peer has room for something; st.mu is held, but for the
// time in which it writes.
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
			st.changed.Wait()
			continue
		}
		// What is held back may be what the peer waits for.
		st.mu.Unlock()
		err := st.Flush()
		st.mu.Lock()
		if err != nil {
			return err
		}
		flushed = true
	}
}

// allowed is how many of n bytes the peer has room for; st.mu is held. A peer that
// says it consumed more than was sent gives no credit at all.
func (st *Stream) allowed(n int) int {
	if st.closed || st.finSent || st.canceled {
		return 0
	}
	if st.session.cfg.Version != 2 {
		return n
	}
	inFlight := st.sent - st.theirs
	if inFlight > math.MaxInt32 || inFlight >= st.window {
		return 0
	}
	return int(min(uint32(n), st.window-inFlight))
}
