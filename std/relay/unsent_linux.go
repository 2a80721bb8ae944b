package relay

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsent is how many bytes in the socket the other end has not acknowledged yet. It is 0 if
// the connection has failed.
func unsent(conn *net.TCPConn) (n int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if failed, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); failed == 0 && err == nil {
			n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		}
	})
	return n
}
