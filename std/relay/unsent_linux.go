package relay

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsent is how many bytes in the socket the other end has not acknowledged yet. It is 0 if
// the connection has failed.
func unsent(conn *net.TCPConn) (n int) {
	inspect(conn, func(fd int, info *unix.TCPInfo) {
		// SO_ERROR does not tell: whoever reads the socket may have taken the error already.
		if info.State != unix.BPF_TCP_CLOSE {
			n, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		}
	})
	return n
}

// acknowledged counts the bytes that the other end has acknowledged. It changes long before
// a Write that waits returns, for which a third of the socket's buffer must be free.
func acknowledged(conn *net.TCPConn) (n uint64) {
	inspect(conn, func(_ int, info *unix.TCPInfo) { n = info.Bytes_acked })
	return n
}

// isGone reports whether the connection is over, and not only finished by the other end.
func isGone(conn *net.TCPConn) (gone bool) {
	inspect(conn, func(_ int, info *unix.TCPInfo) { gone = info.State == unix.BPF_TCP_CLOSE })
	return gone
}

// inspect calls look with what the system knows about a socket, if it tells.
func inspect(conn *net.TCPConn, look func(fd int, info *unix.TCPInfo)) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			look(int(fd), info)
		}
	})
}
