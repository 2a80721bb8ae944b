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
		// SO_ERROR does not tell: whoever reads the socket may have taken the error already.
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.State != unix.BPF_TCP_CLOSE {
			n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		}
	})
	return n
}
