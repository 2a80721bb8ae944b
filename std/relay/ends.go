package relay

import (
	"net"
	"time"

	"kcptun/std/mux"
)

// How often drain looks at a socket.
const drainLook = 20 * time.Millisecond

// Close cuts the relay: both ends are closed at once.
func (w *work) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		w.closeEnds()
	}
	return nil
}

func (w *work) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// close closes both ends, unless Close has done so.
func (w *work) close() { _ = w.Close() }

// closeEnds closes the stream first: the other end of a relay that is cut must not be told
// that the direction to the stream has ended well.
func (w *work) closeEnds() {
	for _, d := range []*direction{w.fromA, w.fromB} {
		if st := streamOf(d.dst); st != nil {
			w.closeStream(d, st)
		}
	}
	for _, d := range []*direction{w.fromA, w.fromB} {
		if streamOf(d.dst) == nil {
			w.closeSocket(d)
		}
	}
}

// endsWell reports whether the destination of a direction may take what it has got for
// complete. It may not if its source was cut. A source that was silent for too long after
// the other direction had finished counts as finished: it may not know what a half-close
// is. That is not so if the source was waiting for this destination.
func (w *work) endsWell(d *direction) bool { return d.whole.Load() || w.silent.Load() }

// closeStream closes a stream that is the destination of d, and lets the other end know if
// it is incomplete. A stock peer does not understand that.
func (w *work) closeStream(d *direction, st *mux.Stream) {
	if w.endsWell(d) {
		st.Close()
		return
	}
	_ = st.Reset()
}

// closeSocket closes the destination of d, or resets it if it is incomplete. A unix socket
// cannot be reset; its reader sees an ordinary end.
func (w *work) closeSocket(d *direction) {
	if c, ok := d.dst.(interface{ SetLinger(sec int) error }); ok && !w.endsWell(d) {
		_ = c.SetLinger(0)
	}
	d.dst.Close()
}

// drain waits, before a socket is reset, until its reader has been sent what was written to
// it, because a reset discards the rest. A socket with data that nobody has read is reset
// when it is closed. drain gives up if nothing is accepted for lastWords, or if the relay is
// cut. Only Linux says how much is left.
func (w *work) drain(patience time.Duration) {
	for _, d := range []*direction{w.fromA, w.fromB} {
		if conn, ok := d.dst.(*net.TCPConn); ok && (d.isCut() || d.whole.Load() && !d.back.whole.Load()) {
			w.drainSocket(conn, patience)
		}
	}
}

// isCut reports whether the direction has delivered all that has come, and that is not
// everything.
func (d *direction) isCut() bool { return d.hasEnded() && d.err != nil && !d.refused }

func (d *direction) hasEnded() bool { return isClosed(d.ended) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (w *work) drainSocket(conn *net.TCPConn, patience time.Duration) {
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	last := 0
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		left := unsent(conn)
		if left == 0 {
			return
		}
		if left != last {
			last = left
			limit.Reset(patience)
		}
		select {
		case <-tick.C:
			if w.isClosed() {
				return
			}
		case <-limit.C:
			return
		}
	}
}
