package std

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A half-open relay learns by TCP keepalive that an application or target is
// gone: after this long without a word, and then this often.
const (
	halfOpenIdle     = 15 * time.Second
	halfOpenInterval = 15 * time.Second
	halfOpenProbes   = 4
)

var (
	errNoHalfClose = errors.New("cannot close one direction alone")
	errSilent      = errors.New("silent since the other direction ended")
)

type halfCloser interface{ CloseWrite() error }

// Result is how a relay went.
type Result struct {
	FromA, FromB int64 // bytes read from each and written to the other
	ErrA, ErrB   error // what ended the direction that reads from each; nil is EOF
	FirstA       bool  // the direction that reads from a ended first
}

// Relay copies between a and b until both directions have ended, and closes
// both. EOF of one is passed on at once as a half-close and the other direction
// goes on; an error in one ends both. After one direction has ended, quiet of
// silence in the other ends it, too; 0 waits for ever. An end that cannot
// half-close is closed when quiet has passed, at once where it is 0.
func Relay(a, b io.ReadWriteCloser, quiet time.Duration) Result {
	fromA, fromB := &direction{src: a, dst: b}, &direction{src: b, dst: a}
	done := make(chan *direction, 2)
	go fromA.run(done)
	go fromB.run(done)

	first, second := <-done, fromB
	if first == fromB {
		second = fromA
	}
	var cut error
	ended := false
	if first.err == nil {
		cut, ended = await(first, second, done, quiet)
	}
	a.Close()
	b.Close()
	if !ended {
		<-done
		second.err = cut // its own error is only that it was cut
	}
	return Result{
		FromA: fromA.bytes.Load(), FromB: fromB.bytes.Load(),
		ErrA: fromA.err, ErrB: fromB.err,
		FirstA: first == fromA,
	}
}

// await passes EOF of the first direction on and waits for the second to end. It
// tells whether it did, and if not, why it is to be cut.
func await(first, second *direction, done <-chan *direction, quiet time.Duration) (cut error, ended bool) {
	err := errNoHalfClose
	if hc, ok := first.dst.(halfCloser); ok {
		err = hc.CloseWrite()
	}
	switch {
	case err == nil:
		watch(first.src)
		watch(first.dst)
	case !errors.Is(err, errNoHalfClose):
		first.err = err
		return nil, false
	case quiet == 0:
		return nil, false
	}
	second.touch()
	for {
		var timeout <-chan time.Time
		if quiet > 0 {
			timeout = time.After(quiet - second.idle())
		}
		select {
		case <-done:
			return nil, true
		case <-timeout:
			if second.idle() >= quiet {
				return errSilent, false
			}
		}
	}
}

// watch turns TCP keepalive on.
func watch(end io.ReadWriteCloser) {
	if tcp, ok := end.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{ // best effort: it only hastens the end
			Enable: true, Idle: halfOpenIdle, Interval: halfOpenInterval, Count: halfOpenProbes,
		})
	}
}

// direction is one way through a relay.
type direction struct {
	src, dst io.ReadWriteCloser
	bytes    atomic.Int64
	active   atomic.Int64 // unix nanoseconds of the last byte written
	err      error        // set when run has reported
}

func (d *direction) run(done chan<- *direction) {
	d.err = transfer(d, d.src)
	done <- d
}

// Write counts what passes, and when.
func (d *direction) Write(p []byte) (int, error) {
	n, err := d.dst.Write(p)
	d.bytes.Add(int64(n))
	d.touch()
	return n, err
}

func (d *direction) touch()              { d.active.Store(time.Now().UnixNano()) }
func (d *direction) idle() time.Duration { return time.Since(time.Unix(0, d.active.Load())) }

// Pipe copies between alice and bob until both directions have ended, and closes
// both. closeWait is in seconds and has the meaning of Relay's quiet. errA is
// what ended the direction that reads from alice, errB the other; nil is EOF.
func Pipe(alice, bob io.ReadWriteCloser, closeWait int) (errA, errB error) {
	r := Relay(alice, bob, time.Duration(closeWait)*time.Second)
	return r.ErrA, r.ErrB
}
