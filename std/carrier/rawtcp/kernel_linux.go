package rawtcp

import (
	"net"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// silence makes a kernel connection neither send nor receive. With a hop limit of one, what
// it sends does not get far, and the firewall rule drops it. Its filter drops everything
// that arrives before TCP sees it: there is nothing to read and discard, nothing to
// acknowledge, and no forged RST can end it.
func silence(conn *net.TCPConn, ipv6 bool) error {
	// A keepalive would get no answer and end the connection. From then on the kernel would
	// answer every segment with a RST, as with tcpraw after 150 s.
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

// release lets a kernel connection send and receive again, so that its FIN gets out and the
// answer in, and closes it.
func release(conn *net.TCPConn, ipv6 bool) {
	_ = onSocket(conn, func(fd int) error {
		_ = setHopLimit(fd, ipv6, -1) // the system's default
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
