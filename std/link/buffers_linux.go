package link

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// readBuffers reads the socket buffers back and, where the system clamped them
// and this process has the right to, forces them.
func readBuffers(conn *net.UDPConn, want int) (recv, send int, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		recv = forceBuffer(int(fd), unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, want)
		send = forceBuffer(int(fd), unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, want)
	})
	return recv, send, err == nil
}

func forceBuffer(fd, option, force, want int) int {
	got := bufferSize(fd, option)
	if got < want && unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, want) == nil {
		got = bufferSize(fd, option)
	}
	return got
}

// bufferSize is half of what Linux reports: it doubles the size that was asked
// for, to cover its own bookkeeping (socket(7)).
func bufferSize(fd, option int) int {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	if err != nil {
		return 0
	}
	return n / 2
}

func bufferCure(size int) string {
	return fmt.Sprintf("run sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d", size, size)
}
