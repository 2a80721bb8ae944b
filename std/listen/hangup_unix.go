//go:build unix

package listen

import (
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hangUpGrace is how long an application that has finished without a word is waited
// for: it may want to hear what the target says first (nc </dev/null), or have left.
// TCP says the same of both. A dial to one address takes far less.
const hangUpGrace = 300 * time.Millisecond

// WatchHangUp calls gone when the application at the other end of conn has left: it
// has reset the connection or, on a unix socket, closed it; or it finished and had sent
// nothing. Who finished after a request may wait for the answer. Nothing is read. The
// watch ends with stop, which waits for it and must come before anybody reads conn.
func WatchHangUp(conn net.Conn, gone func()) (stop func()) {
	sock, ok := conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return func() {}
	}
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		w := hangUp{}
		if raw.Read(w.look) != nil {
			return // stopped, or closed by us
		}
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
	return func() {
		close(ended)
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // wakes the watch
		watch.Wait()
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
