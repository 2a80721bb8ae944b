package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"kcptun/std/clock"
	"kcptun/std/rescue"
)

// direction is one of the two directions of a relay.
type direction struct {
	src, dst io.ReadWriteCloser
	bytes    atomic.Int64
	active   atomic.Int64 // when a Write last began or ended, by clock.Now
	writing  atomic.Bool
	whole    atomic.Bool    // src has finished, and all of it was written
	lost     atomic.Uintptr // the error of dst's connection that a write has met; it is told once
	back     *direction     // the other direction
	alarm    *alarm         // nil: src is not watched
	panics   *rescue.Net
	ended    chan struct{} // closed when run has ended

	// Valid once run has ended.
	err     error
	refused bool // err came from writing
}

func newDirection(src, dst io.ReadWriteCloser, panics *rescue.Net) *direction {
	return &direction{src: src, dst: dst, panics: panics, ended: make(chan struct{})}
}

func (d *direction) run() {
	defer close(d.ended)
	defer d.panics.Catch(func(err error) { d.err, d.refused = err, false })
	d.alarm = newAlarm(d.src, d.dst)
	d.err = transfer(d, d.src)
	if why := d.alarm.off(); why != nil {
		d.err, d.refused = why, false
	}
	if d.err == nil {
		d.err = d.back.lossOfDst()
	}
	d.whole.Store(d.err == nil)
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
}

func (d *direction) end(n int, err error) (int, error) {
	if err != nil {
		d.noteLoss(err)
	}
	d.touch() // before writing is cleared, or the time of this call would count as silence
	d.writing.Store(false)
	d.bytes.Add(int64(n))
	d.refused = err != nil
	d.alarm.stop()
	return n, err
}

// noteLoss records that a write has met the end of dst's connection. EPIPE is none: the other
// end had finished before, or its reader has learnt the reason.
func (d *direction) noteLoss(err error) {
	var no syscall.Errno
	if _, socket := d.dst.(syscall.Conn); socket && errors.As(err, &no) && no != syscall.EPIPE {
		d.lost.Store(uintptr(no))
	}
}

// lossOfDst is why the connection to dst was lost, if a write was told so: whoever reads from
// there sees an end of file then. A write to a connection that is gone ends soon, so it is
// waited for.
func (d *direction) lossOfDst() error {
	for conn, ok := d.dst.(*net.TCPConn); ok && d.writing.Load() && !d.hasEnded() && isGone(conn); {
		time.Sleep(time.Millisecond)
	}
	if no := syscall.Errno(d.lost.Load()); no != 0 {
		return os.NewSyscallError("read", no)
	}
	return nil
}

func (d *direction) touch() { d.active.Store(int64(clock.Now())) }

// idle is how long nothing has moved although it could have: a stream whose session cannot
// receive is not silent. One that waits for its reader is no such case: what it holds may be
// why the session cannot.
func (d *direction) idle() time.Duration {
	last := time.Duration(d.active.Load())
	if st := streamOf(d.src); st != nil && !d.writing.Load() {
		last = max(last, st.LastStarved())
	}
	return clock.Now() - last
}

// patience is how long the direction may still be silent; 0: for ever. If it has been for
// too long, why says so. acked belongs to isServed.
func (d *direction) patience(lim limits, acked *uint64) (left time.Duration, why error) {
	if d.isServed(acked) {
		d.touch()
	}
	limit, idle, why := lim.quiet, d.idle(), errSilent
	if limit == 0 {
		limit, why = lim.write, errAbandoned
		if !d.writing.Load() {
			idle = 0
		}
	}
	if st := streamOf(d.dst); limit > 0 && st != nil && st.TellsEnd() && d.back.lost.Load() != 0 {
		limit = max(limit, lastRead)
	}
	switch {
	case limit == 0:
		return 0, nil
	case idle >= limit:
		return 0, why
	}
	return limit - idle, nil
}

// isServed reports that the direction waits in a Write that is not silence: what is in its
// socket still moves, or its stream leads to a peer that would tell if nobody read any more.
// The latter is no reason to wait for ever if the connection to src is lost: what is left of
// src is not whole, and whoever does not take it may be waiting for the rest. acked is what the
// socket's peer had acknowledged before; isServed keeps it up to date.
func (d *direction) isServed(acked *uint64) bool {
	before := *acked
	if conn, ok := d.dst.(*net.TCPConn); ok {
		*acked = acknowledged(conn)
	}
	if !d.writing.Load() {
		return false
	}
	st := streamOf(d.dst)
	return *acked != before || st != nil && st.TellsEnd() && !st.IsGone() && d.back.lost.Load() == 0
}
