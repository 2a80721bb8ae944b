//go:build unix

package listen

import (
	"math"
	"net"
	"syscall"
)

// descriptorLimit is how many descriptors the process may have: the soft limit, which Go
// raises to the hard limit at startup. 0 means unknown.
func descriptorLimit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return int(min(uint64(l.Cur), math.MaxInt32))
}

// isBelow tells whether at least spare descriptors, or a quarter of all if that is less,
// are left above fd, which is new. The system hands out the lowest free number, so all
// numbers below fd are in use.
func isBelow(fd, spare int) bool {
	limit := descriptorLimit()
	return limit == 0 || fd < limit-min(spare, limit/4)
}

// hasSpare is isBelow for a connection that has just been accepted.
func hasSpare(conn net.Conn, spare int) bool {
	below := true
	if sock, ok := conn.(syscall.Conn); ok {
		if raw, err := sock.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { below = isBelow(int(fd), spare) })
		}
	}
	return below
}

// isRoom is isBelow for the next descriptor to be opened.
func isRoom(spare int) bool {
	fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return !OutOfDescriptors(err)
	}
	defer syscall.Close(fd)
	return isBelow(fd, spare)
}
