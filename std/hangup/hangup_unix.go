//go:build unix

// Package hangup notices that the other end of a connection is gone while nobody reads it.
package hangup

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hangUpGrace is how long an application that has finished without a word is waited
// for: it may want to hear what the target says first (nc </dev/null), or have left.
// TCP says the same of both. A dial to one address takes far less.
const hangUpGrace = 300 * time.Millisecond

// WatchLeft calls gone when the application at the other end of conn has left: it
// has reset the connection or, on a unix socket, closed it; or it finished and had sent
// nothing. Who finished after a request may wait for the answer. Nothing is read. The
// watch ends with stop, which waits for it and must come before anybody reads conn.
func WatchLeft(conn net.Conn, gone func()) (stop func()) {
	w := hangUp{}
	return watch(conn, w.look, func(ended <-chan struct{}) {
		if w.finished {
			grace := time.NewTimer(hangUpGrace)
			defer grace.Stop()
			select {
			case <-grace.C:
			case <-ended:
				return
			}
		}
		gone()
	})
}

// WatchReset calls gone when a connection has failed that nobody reads: its other end
// has reset it, or is not there any more, as keepalives tell. What has come before is
// left unread. The watch ends with stop, as WatchLeft's does.
func WatchReset(conn net.Conn, gone func(why error)) (stop func()) {
	var why syscall.Errno
	return watch(conn, func(fd uintptr) bool {
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		why = syscall.Errno(n)
		return err == nil && n != 0
	}, func(<-chan struct{}) { gone(os.NewSyscallError("read", why)) })
}

// CanWatch tells whether WatchReset works on a connection.
func CanWatch(conn net.Conn) bool { _, ok := conn.(syscall.Conn); return ok }

// watch calls look whenever something may have happened at a socket, until it is true,
// and then f. It ends with stop, which closes the channel that f is given, and waits.
func watch(conn net.Conn, look func(fd uintptr) bool, f func(ended <-chan struct{})) (stop func()) {
	sock, ok := conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return func() {}
	}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if raw.Read(look) == nil { // else it was stopped, or the socket closed by us
			f(ended)
		}
	})
	return func() {
		close(ended)
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // wakes the watch
		wg.Wait()
		_ = conn.SetReadDeadline(time.Time{})
	}
}

// hangUp is what was seen at a socket.
type hangUp struct{ finished bool }

// look is false to wait until something has happened at the socket.
func (w *hangUp) look(fd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(fd)}} // errors and hang-ups are reported unasked
	if n, err := unix.Poll(poll, 0); err == nil && n > 0 && poll[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
		return true
	}
	for {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			return true
		}
		w.finished = n == 0
		return w.finished // data: what comes after it is news, too
	}
}
