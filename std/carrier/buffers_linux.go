package carrier

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ForceBuffer returns the size of a socket's buffer. If that is smaller than wanted and the
// process has the privilege, it forces the size.
func ForceBuffer(fd, option, force, want int) int {
	got := BufferSize(fd, option)
	if got < want && unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, want) == nil {
		got = BufferSize(fd, option)
	}
	return got
}

// BufferSize is half of what Linux reports, because Linux doubles the requested size to
// cover its own bookkeeping (socket(7)).
func BufferSize(fd, option int) int {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	if err != nil {
		return 0
	}
	return n / 2
}

// BufferCure is the command that allows programs to have buffers of this size.
func BufferCure(size int) string {
	return fmt.Sprintf("run sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d", size, size)
}
