package udp

import (
	"net"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
)

// readBuffers reads back the sizes of the socket buffers. If the system clamped them and
// the process has the privilege, it forces them.
func readBuffers(conn *net.UDPConn, want int) (recv, send int, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		recv = carrier.ForceBuffer(int(fd), unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, want)
		send = carrier.ForceBuffer(int(fd), unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, want)
	})
	return recv, send, err == nil
}
