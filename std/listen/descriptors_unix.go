//go:build unix

package listen

import (
	"math"
	"net"
	"syscall"
)

// descriptorLimit is how many descriptors the process may have, the soft limit, which
// Go raises to the hard one at the start; 0 where it is not known.
func descriptorLimit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return int(min(uint64(l.Cur), math.MaxInt32))
}

// isBelow tells whether spare descriptors, but not more than a quarter of all, are left
// above one that is new. The system gives the lowest that is free: all below are taken.
func isBelow(fd, spare int) bool {
	limit := descriptorLimit()
	return limit == 0 || fd < limit-min(spare, limit/4)
}

// hasSpare is isBelow for a connection that was just accepted.
func hasSpare(conn net.Conn, spare int) bool {
	below := true
	if sock, ok := conn.(syscall.Conn); ok {
		if raw, err := sock.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { below = isBelow(int(fd), spare) })
		}
	}
	return below
}

// isRoom is isBelow for the next descriptor.
func isRoom(spare int) bool {
	fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return !OutOfDescriptors(err)
	}
	defer syscall.Close(fd)
	return isBelow(fd, spare)
}
