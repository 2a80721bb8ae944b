package carrier

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ForceBuffer returns the size of a socket's buffer. Where that is less than what is
// wanted, and this process has the right to, it is forced.
func ForceBuffer(fd, option, force, want int) int {
	got := BufferSize(fd, option)
	if got < want && unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, want) == nil {
		got = BufferSize(fd, option)
	}
	return got
}

// BufferSize is half of what Linux reports: it doubles the size that was asked
// for, to cover its own bookkeeping (socket(7)).
func BufferSize(fd, option int) int {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	if err != nil {
		return 0
	}
	return n / 2
}

// BufferCure is the command that lets a program have buffers of a size.
func BufferCure(size int) string {
	return fmt.Sprintf("run sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d", size, size)
}
