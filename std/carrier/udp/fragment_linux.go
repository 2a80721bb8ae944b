package udp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// fragmenting lets routers split into IP fragments what send sends over IPv4. Otherwise the
// system forbids them to. Over IPv6 only the sender may split a datagram, and no option
// makes the system do so before it knows that the path is too small.
//
// If the system refuses an option, datagrams leave as they would without it.
func fragmenting(raw syscall.RawConn, send func()) {
	discover := unix.IP_PMTUDISC_WANT
	_ = raw.Control(func(fd uintptr) {
		if now, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER); err == nil {
			discover = now
		}
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	})
	send()
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover)
	})
}
