package udp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// leastIPv6 is the MTU in bytes that IPv6 requires of any path.
const leastIPv6 = 1280

// fragmenting lets the system split into IP fragments what send sends. Over IPv4, routers on
// the way then split what is too large for them. Over IPv6 only the sender can, so the
// system splits what is too large for the least MTU. Otherwise the system forbids routers to
// split a datagram unless it knows that the path is too small for it.
//
// If the system refuses an option, datagrams leave as they would without it.
func fragmenting(raw syscall.RawConn, v6 bool, send func()) {
	discover := unix.IP_PMTUDISC_WANT
	_ = raw.Control(func(fd uintptr) {
		if now, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER); err == nil {
			discover = now
		}
		setFragments(int(fd), v6, unix.IP_PMTUDISC_DONT, leastIPv6)
	})
	send()
	_ = raw.Control(func(fd uintptr) { setFragments(int(fd), v6, discover, 0) })
}

// setFragments sets how the system discovers the MTU of paths over IPv4, and the largest
// packet over IPv6; 0 leaves that to the system.
func setFragments(fd int, v6 bool, discover, most int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover)
	if v6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU, most)
	}
}
