package carrier

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// leastIPv6 is the size in bytes of a packet that every path over IPv6 carries (RFC 8200,
// section 5).
const leastIPv6 = 1280

// splitsIPv6 is what Way.Splits is over IPv6.
const splitsIPv6 = MaxDatagram

// InFragments lets IP split what send sends on a socket. Over IPv4 routers may then do that,
// which the system forbids otherwise. Over IPv6 only the sender may. The system does so with
// a packet that is larger than the network card takes, and makes fragments that pass
// everywhere. It sends a smaller packet whole, whatever it is told.
func InFragments(raw syscall.RawConn, send func()) {
	how := unix.IP_PMTUDISC_WANT
	_ = raw.Control(func(fd uintptr) {
		if now, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER); err == nil {
			how = now
		}
		setFragments(int(fd), unix.IP_PMTUDISC_DONT, leastIPv6)
	})
	defer func() { _ = raw.Control(func(fd uintptr) { setFragments(int(fd), how, 0) }) }()
	send()
}

// setFragments sets what applies to IPv4, and the size of fragments over IPv6; 0 is the
// system's. A socket of one family refuses what is for the other.
func setFragments(fd, discovery, size int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discovery)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU, size)
}
