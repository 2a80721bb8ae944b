// Package relay moves the bytes of a stream between its two ends, each direction
// independently, with half-close, limits on silence and optionally QPP. It logs each
// stream. It knows nothing of sessions or of where streams come from.
package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"kcptun/std/clock"
	"kcptun/std/hangup"
	"kcptun/std/rescue"
)

// lastWords is how long a direction may be silent once its source no longer accepts data:
// everything the source sent has already arrived and only needs to be delivered.
const lastWords = 30 * time.Second

// abandoned limits a single Write to a stream that the peer has finished, if quiet is 0. A
// peer that has closed the stream accepts no more data, but smux does not say so, and
// during such a Write nobody would notice that the application is gone.
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
// for at most quiet. If quiet is 0 it may be silent for ever, except in a Write to a stream
// that perhaps nobody reads any more. An end that cannot half-close is closed after quiet,
// or at once if quiet is 0.
func Between(a, b io.ReadWriteCloser, quiet time.Duration) Result {
	return relay(a, b, limits{quiet, abandoned}, newGoroutine, nil)
}

// limits bounds how long a direction may be silent (0: for ever) and, in that case, how
// long one Write to anything but a socket may take.
type limits struct{ quiet, write time.Duration }

func relay(a, b io.ReadWriteCloser, lim limits, spawn func(func()), panics *rescue.Net) Result {
	fromA, fromB := &direction{src: a, dst: b, panics: panics}, &direction{src: b, dst: a, panics: panics}
	done := make(chan *direction, 2)
	spawn(func() { fromA.run(done) })
	spawn(func() { fromB.run(done) })

	first, second := <-done, fromB
	if first == fromB {
		second = fromA
	}
	var cut error
	ended := false
	switch {
	case first.err == nil:
		cut, ended = passEOF(first, second, done, lim)
	case first.refused:
		cut, ended = await(second, done, limits{quiet: lastWords}, nil)
	}
	a.Close()
	b.Close()
	if !ended {
		<-done
		second.err = cut // its own error only says that it was cut
	}
	return Result{
		FromA: fromA.bytes.Load(), FromB: fromB.bytes.Load(),
		ErrA: fromA.err, ErrB: fromB.err,
		FirstA: first == fromA,
	}
}

// passEOF passes the EOF of the first direction on and waits for the second to end. It
// reports whether the second ended, and if not, why it must be cut.
func passEOF(first, second *direction, done <-chan *direction, lim limits) (cut error, ended bool) {
	err := errNoHalfClose
	if hc, ok := first.dst.(halfCloser); ok {
		err = hc.CloseWrite()
	}
	switch {
	case err == nil:
	case !errors.Is(err, errNoHalfClose):
		first.err = err
		lim.quiet = lastWords
	case lim.quiet == 0:
		return nil, false
	}
	return await(second, done, lim, first.src)
}

// await waits until a direction ends, exceeds its limits or has lost its purpose: half is
// the end that has finished its own direction, and a reset of it means that nobody wants
// the other one any more. It reports whether the direction ended, and if not, why it must
// be cut.
func await(d *direction, done <-chan *direction, lim limits, half io.Closer) (cut error, ended bool) {
	if _, socket := d.dst.(syscall.Conn); socket {
		lim.write = 0 // keepalive detects a dead peer
	}
	d.touch()
	look := time.NewTimer(resetLook)
	defer look.Stop()
	gone := make(chan error, 1)
	for {
		limit, idle, why := lim.quiet, d.idle(), errSilent
		if limit == 0 {
			limit, why = lim.write, errAbandoned
			if !d.writing.Load() {
				idle = 0
			}
		}
		var timeout <-chan time.Time
		if limit > 0 {
			if idle >= limit {
				return why, false
			}
			timeout = time.After(limit - idle)
		}
		select {
		case <-done:
			return nil, true
		case <-timeout:
		case <-look.C:
			if conn, ok := half.(net.Conn); ok {
				defer hangup.WatchReset(conn, func(why error) { gone <- why })()
			}
		case why := <-gone:
			return fmt.Errorf("nobody is left to receive it: %w", why), false
		}
	}
}

// direction is one of the two directions of a relay.
type direction struct {
	src, dst io.ReadWriteCloser
	bytes    atomic.Int64
	active   atomic.Int64 // when a Write last began or ended, by clock.Now
	writing  atomic.Bool
	alarm    *alarm // nil: src is not watched
	panics   *rescue.Net

	// Valid once run has sent the direction to done.
	err     error
	refused bool // err came from writing
}

func (d *direction) run(done chan<- *direction) {
	defer func() { done <- d }()
	defer d.panics.Catch(func(err error) { d.err, d.refused = err, false })
	d.alarm = newAlarm(d.src, d.dst)
	d.err = transfer(d, d.src)
	if why := d.alarm.off(); why != nil {
		d.err, d.refused = why, false
	}
}

// Write writes to the destination, counts the bytes and notes the time.
func (d *direction) Write(p []byte) (int, error) {
	d.begin()
	n, err := d.dst.Write(p)
	return d.end(n, err)
}

// WriteCorked does the same, but the destination may hold p back until Flush.
func (d *direction) WriteCorked(p []byte) (int, error) {
	c, ok := d.dst.(corker)
	if !ok {
		return d.Write(p)
	}
	d.begin()
	n, err := c.WriteCorked(p)
	return d.end(n, err)
}

// WriteBuffers writes several buffers, to a socket in a single system call.
func (d *direction) WriteBuffers(v [][]byte) (int, error) {
	d.begin()
	bufs := net.Buffers(v)
	n, err := bufs.WriteTo(d.dst)
	return d.end(int(n), err)
}

// Flush makes the destination send what it holds back.
func (d *direction) Flush() error {
	c, ok := d.dst.(corker)
	if !ok {
		return nil
	}
	d.begin()
	_, err := d.end(0, c.Flush())
	return err
}

// Room is how many bytes may be read ahead for the destination.
func (d *direction) Room() int {
	if r, ok := d.dst.(roomer); ok {
		return r.Room()
	}
	return copyBuffer
}

// AwaitRoom waits for room in the destination, within the same limits as Write.
func (d *direction) AwaitRoom(size int) (int, error) {
	r, ok := d.dst.(roomer)
	if !ok {
		return size, nil
	}
	d.begin()
	n, err := r.AwaitRoom(size)
	_, err = d.end(0, err)
	return n, err
}

// begin and end enclose every call that may wait for the destination.
func (d *direction) begin() {
	d.touch()
	d.writing.Store(true)
	d.alarm.start()
}

func (d *direction) end(n int, err error) (int, error) {
	d.writing.Store(false)
	d.bytes.Add(int64(n))
	d.touch()
	d.refused = err != nil
	d.alarm.stop()
	return n, err
}

func (d *direction) touch()              { d.active.Store(int64(clock.Now())) }
func (d *direction) idle() time.Duration { return clock.Now() - time.Duration(d.active.Load()) }

// Pipe copies between alice and bob until both directions have ended, and closes both.
// closeWait is Between's quiet in seconds. errA is what ended the direction that reads from
// alice, errB the other; nil means EOF.
func Pipe(alice, bob io.ReadWriteCloser, closeWait int) (errA, errB error) {
	r := Between(alice, bob, time.Duration(closeWait)*time.Second)
	return r.ErrA, r.ErrB
}
