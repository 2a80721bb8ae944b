package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/testkit"
)

// promptly is how long after the end of a shortage the next connection may wait.
const promptly = time.Second

// shortage is a listener whose Accept fails until a moment, and then returns the connections
// in found until that is closed.
type shortage struct {
	net.Listener
	err   error
	until time.Time
	found chan net.Conn
}

func (s *shortage) Accept() (net.Conn, error) {
	if time.Now().Before(s.until) {
		return nil, s.err
	}
	if c, ok := <-s.found; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// However long descriptors were short, whether of the process or of the system, the next
// connection is accepted within a second of their return. The time is that of the test.
func TestAcceptIsPromptAfterAShortage(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		t.Run(errno.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				lis := &shortage{err: os.NewSyscallError("accept4", errno), until: time.Now().Add(time.Hour), found: make(chan net.Conn, 1)}
				lis.found <- near
				log, book := testkit.NewLog()
				accepted, done := make(chan time.Time, 1), make(chan error, 1)
				go func() {
					done <- Accept(t.Context(), lis, log, 0, func(net.Conn) { accepted <- time.Now() })
				}()
				if late := (<-accepted).Sub(lis.until); late > promptly {
					t.Errorf("accepted %v after the shortage", late)
				}
				testkit.Contains(t, book.String(), "accepting failed, going on", errno.Error())
				close(lis.found)
				if err := <-done; !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// The process and the system run out of descriptors alike, and the resolver, whose error has
// only the text of its cause, is no exception.
func TestOutOfDescriptors(t *testing.T) {
	dns := func(err error) error {
		return &net.DNSError{Err: fmt.Sprint("dial udp: socket: ", err), Name: "target"}
	}
	dial := func(err error) error { return &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", err)} }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{dial(syscall.EMFILE), true},
		{dial(syscall.ENFILE), true},
		{dial(syscall.ECONNREFUSED), false},
		{dial(syscall.ENETUNREACH), false},
		{dns(syscall.EMFILE), true},
		{dns(syscall.ENFILE), true},
		{&net.OpError{Op: "dial", Err: dns(syscall.ENFILE)}, true},
		{dns(errors.New("no such host")), false},
		{context.DeadlineExceeded, false},
		{nil, false},
	} {
		if got := OutOfDescriptors(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
