// Package relay moves the bytes of a stream between its two ends, each direction
// independently, with half-close, limits on silence and optionally QPP. It logs each
// stream. It knows nothing of sessions or of where streams come from.
package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"kcptun/std/hangup"
	"kcptun/std/mux"
	"kcptun/std/rescue"
)

// lastWords is how long a direction may be silent once its source no longer accepts data:
// everything the source sent has already arrived and only needs to be delivered.
const lastWords = 30 * time.Second

// lastRead is lastWords for what goes to a stream: the peer says after each half of a window
// that its application takes something, and one that takes 4 kB/s needs five minutes for the
// half of a window of 2 MiB.
const lastRead = 5 * time.Minute

// abandoned limits a single Write to a stream that the peer has finished, if quiet is 0 and
// the peer is a stock one. A peer that has closed the stream accepts no more data, but smux
// does not say so, and during such a Write nobody would notice that the application is gone.
const abandoned = 2 * time.Minute

// resetLook is how long a wait may last before the connection that is not being read
// meanwhile is watched for a reset. The watch costs a goroutine.
const resetLook = 100 * time.Millisecond

var (
	errNoHalfClose = errors.New("cannot close one direction alone")
	errSilent      = errors.New("silent since the other direction ended")
	errAbandoned   = errors.New("has accepted nothing since it finished")
)

type halfCloser interface{ CloseWrite() error }

// Result tells how a relay ended.
type Result struct {
	FromA, FromB int64 // bytes read from each end and written to the other
	ErrA, ErrB   error // what ended the direction that reads from that end; nil: EOF
	FirstA       bool  // the direction that reads from a ended first
}

// Between copies between a and b until both directions have ended, and closes both. EOF of
// one end is passed on at once as a half-close, and the other direction goes on. An error
// in one direction ends both; if it is a failed write, the data of the end that no longer
// accepts any is delivered first. After one direction has ended, the other may be silent
// for at most quiet. A Write that waits is no silence while its socket accepts anything
// (which only Linux says), or if its stream's peer would tell that nobody reads any more. If
// quiet is 0 the other may be silent for ever, except in a Write to the stream of a peer
// that would not tell. An end that cannot half-close is closed after quiet, or at once if
// quiet is 0. If the session of a stream ends, what has come on it is delivered; but only
// Linux says what a socket has not sent yet, and elsewhere that is lost. A socket to which
// less was delivered than its stream should have brought is reset, see closeSocket.
func Between(a, b io.ReadWriteCloser, quiet time.Duration) Result {
	return relay(a, b, limits{quiet, abandoned, lastWords}, newGoroutine, nil)
}

// limits bounds how long a direction may be silent (0: for ever) and, in that case, how
// long one Write to anything but a socket may take; and how long a direction may be silent
// that only delivers what has already come.
type limits struct{ quiet, write, last time.Duration }

// delivering is the limits of a direction that only delivers what has already come.
func (l limits) delivering() limits { return limits{quiet: l.last, last: l.last} }

// work is a relay at work.
type work struct {
	fromA, fromB *direction
	toStream     *direction      // one of the two; nil: neither end is a stream
	over         <-chan struct{} // closed when the stream was reset or its session has ended
	silent       atomic.Bool     // one direction has finished, and the other is cut because its source is silent

	mu     sync.Mutex
	closed bool // by Close
}

func newWork(a, b io.ReadWriteCloser, panics *rescue.Net) *work {
	w := &work{fromA: newDirection(a, b, panics), fromB: newDirection(b, a, panics)}
	w.fromA.back, w.fromB.back = w.fromB, w.fromA
	for _, d := range []*direction{w.fromA, w.fromB} {
		if st := streamOf(d.dst); st != nil {
			w.toStream, w.over = d, st.Ended()
		}
	}
	return w
}

// streamOf is the stream that an end is, or wraps; nil: there is none.
func streamOf(end io.Closer) *mux.Stream {
	switch e := end.(type) {
	case *mux.Stream:
		return e
	case interface{ stream() *mux.Stream }:
		return e.stream()
	}
	return nil
}

func relay(a, b io.ReadWriteCloser, lim limits, spawn func(func()), panics *rescue.Net) Result {
	return newWork(a, b, panics).run(lim, spawn)
}

func (w *work) run(lim limits, spawn func(func())) Result {
	spawn(w.fromA.run)
	spawn(w.fromB.run)
	first, cutFirst := w.awaitFirst(lim)
	second := first.back
	var cut error
	ended := false
	switch {
	case cutFirst != nil:
	case first.err == nil:
		cut, ended = w.passEOF(first, second, lim)
		w.silent.Store(!ended && !isClosed(w.over) && !second.writing.Load())
	case first.refused:
		if st := streamOf(first.src); st != nil {
			st.CloseRead() // or its peer would wait for room for what nobody takes
		}
		cut, ended = w.await(second, lim.delivering(), nil)
	}
	w.drain(lim.last)
	w.close()
	<-first.ended
	<-second.ended
	if cutFirst != nil {
		first.err = cutFirst
	}
	if !ended {
		second.err = cut // its own error only says that it was cut
	}
	return Result{
		FromA: w.fromA.bytes.Load(), FromB: w.fromB.bytes.Load(),
		ErrA: w.fromA.err, ErrB: w.fromB.err,
		FirstA: first == w.fromA,
	}
}

// awaitFirst waits for the first direction to end. If the stream is reset, or its session
// ends, instead, both may be waiting for their sockets. Then what has come on the stream is
// delivered first; if that direction does not end, cut says why it must be cut.
func (w *work) awaitFirst(lim limits) (first *direction, cut error) {
	select {
	case <-w.fromA.ended:
		return w.fromA, nil
	case <-w.fromB.ended:
		return w.fromB, nil
	case <-w.over:
	}
	first = w.toStream.back
	if _, ended := w.await(first, lim.delivering(), nil); ended {
		return first, nil
	}
	return first, streamOf(first.src).Cut()
}

// passEOF passes the EOF of the first direction on and waits for the second to end. It
// reports whether the second ended, and if not, why it must be cut.
func (w *work) passEOF(first, second *direction, lim limits) (cut error, ended bool) {
	err := errNoHalfClose
	if hc, ok := first.dst.(halfCloser); ok {
		err = hc.CloseWrite()
	}
	switch {
	case err == nil:
	case !errors.Is(err, errNoHalfClose):
		first.err = err
		lim = lim.delivering()
	case lim.quiet == 0:
		return nil, false
	}
	return w.await(second, lim, first.src)
}

// await waits until a direction ends, exceeds its limits or has lost its purpose: half is
// the end that has finished its own direction, and a reset of it means that nobody wants
// the other one any more; nor does anybody receive what goes to a stream whose session is
// over. It reports whether the direction ended, and if not, why it must be cut.
func (w *work) await(d *direction, lim limits, half io.Closer) (cut error, ended bool) {
	if _, socket := d.dst.(syscall.Conn); socket {
		lim.write = 0 // keepalive detects a dead peer
	}
	d.touch()
	timer := time.NewTimer(resetLook) // by which most directions have ended
	defer timer.Stop()
	var gone chan error // nil: half is not watched yet
	var acked uint64
	for over := w.over; ; {
		select {
		case <-d.ended:
			return nil, true
		case <-over:
			if d.hasEnded() {
				return nil, true
			}
			if d == w.toStream {
				return streamOf(d.dst).Cut(), false
			}
			over, lim.quiet = nil, soonest(lim.quiet, lim.last)
			d.touch()
		case why := <-gone:
			return fmt.Errorf("nobody is left to receive it: %w", why), false
		case <-timer.C:
			if gone == nil {
				gone = make(chan error, 1)
				if conn, ok := half.(net.Conn); ok {
					defer hangup.WatchReset(conn, func(why error) { gone <- why })()
				}
			}
		}
		if gone == nil {
			continue
		}
		left, why := d.patience(lim, &acked)
		if why != nil {
			return why, false
		}
		timer.Stop()
		if left > 0 {
			timer.Reset(left)
		}
	}
}

// soonest is the shorter of two limits, of which 0 is none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// Pipe copies between alice and bob until both directions have ended, and closes both.
// closeWait is Between's quiet in seconds. errA is what ended the direction that reads from
// alice, errB the other; nil means EOF.
func Pipe(alice, bob io.ReadWriteCloser, closeWait int) (errA, errB error) {
	r := Between(alice, bob, time.Duration(closeWait)*time.Second)
	return r.ErrA, r.ErrB
}
