//go:build unix

// Package hangup notices that the other end of a connection is gone while nobody is reading
// from the connection.
package hangup

import (
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hangUpGrace is how long to wait for an application that has finished sending without
// having sent anything. It may have left, or it may be waiting for the target to speak
// first (nc </dev/null); TCP shows the same in both cases. Dialing one address takes far
// less.
const hangUpGrace = 300 * time.Millisecond

// WatchLeft calls gone when the application at the other end of conn has left: it has reset
// the connection, or closed it (on a unix socket) or finished sending without having sent
// anything. An application that finishes after a request may be waiting for the answer, and
// one that closes a unix socket after a message needs none.
// Nothing is read. stop ends the watch and waits for it; call it before reading from conn.
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

// WatchReset calls gone when a connection that nobody is reading has failed: the other end
// has reset it, or keepalives show that it no longer exists. Data that has already arrived
// stays unread. stop ends the watch, as with WatchLeft.
func WatchReset(conn net.Conn, gone func(why error)) (stop func()) {
	var why syscall.Errno
	return watch(conn, func(fd uintptr) bool {
		if runtime.GOOS == "linux" && polled(fd)&unix.POLLERR == 0 {
			// SO_ERROR would also tell that a host was unreachable for a moment, which the
			// connection survives.
			return false
		}
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		why = syscall.Errno(n)
		return err == nil && n != 0
	}, func(<-chan struct{}) { gone(os.NewSyscallError("read", why)) })
}

// CanWatch tells whether WatchReset works on a connection.
func CanWatch(conn net.Conn) bool { _, ok := conn.(syscall.Conn); return ok }

// watch calls look whenever something may have happened on a socket, until look returns
// true, and then calls f. stop ends the watch: it closes the channel passed to f, and
// waits.
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
		if raw.Read(look) == nil { // otherwise it was stopped, or we closed the socket
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

// polled is what poll says of a socket: errors and hang-ups, which it always reports.
func polled(fd uintptr) int16 {
	poll := []unix.PollFd{{Fd: int32(fd)}}
	if n, err := unix.Poll(poll, 0); err != nil || n == 0 {
		return 0
	}
	return poll[0].Revents
}

// hangUp is what was seen on a socket.
type hangUp struct{ finished bool }

// look returns false to wait until something happens on the socket.
func (w *hangUp) look(fd uintptr) bool {
	events := polled(fd)
	if events&unix.POLLERR != 0 {
		return true
	}
	closed := events&unix.POLLHUP != 0
	for {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return closed
		case err != nil:
			return true
		}
		w.finished = n == 0 && !closed
		return n == 0 // there is data, so anything that follows is news too
	}
}
