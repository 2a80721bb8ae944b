//go:build darwin || freebsd

package udp

import (
	"net"

	"golang.org/x/sys/unix"
)

// readBuffers reads back the sizes of the socket buffers.
func readBuffers(conn *net.UDPConn, _ int) (recv, send int, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	var errR, errW error
	err = raw.Control(func(fd uintptr) {
		recv, errR = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		send, errW = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	return recv, send, err == nil && errR == nil && errW == nil
}
