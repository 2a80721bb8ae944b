package rawtcp

import (
	"net"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// silence makes a kernel connection mute and deaf. With a hop limit of one what
// it sends does not get far, and the rule drops it. Its filter drops all that
// arrives, before TCP looks at it: nothing to read and throw away, nothing to
// acknowledge, and no forged RST ends it.
func silence(conn *net.TCPConn, ipv6 bool) error {
	// A keepalive would get no answer, and end the connection: from then on the
	// kernel answers every segment with a RST, as tcpraw's does after 150 s.
	if err := conn.SetKeepAlive(false); err != nil {
		return err
	}
	return onSocket(conn, func(fd int) error {
		if err := setHopLimit(fd, ipv6, 1); err != nil {
			return err
		}
		return attachFilter(fd, []bpf.Instruction{bpf.RetConstant{Val: 0}})
	})
}

// release gives a kernel connection its voice back, so that its FIN gets out and
// the answer in, and closes it.
func release(conn *net.TCPConn, ipv6 bool) {
	_ = onSocket(conn, func(fd int) error {
		_ = setHopLimit(fd, ipv6, -1) // the system's usual
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	})
	conn.Close()
}

// setHopLimit also works for IPv4 on a dual-stack listener's connection.
func setHopLimit(fd int, ipv6 bool, hops int) error {
	if ipv6 {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, hops))
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, hops))
}

func onSocket(conn *net.TCPConn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}
