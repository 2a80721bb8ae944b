package udp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// By default the system forbids routers to split a single datagram, but not what it
// segments itself. Such a datagram would pass in fragments where another one of its size is
// dropped, and nobody would find out which size passes. So with IP_PMTUDISC_PROBE all are
// sent whole, whatever the system knows of the path: the link finds out by itself.

// leastWhole is the size in bytes up to which the system may split datagrams if the network
// card does not take them whole. There is nothing smaller to send instead.
const leastWhole = 1200

// setDiscovery sets what the system does with datagrams over IPv4 that are too large for
// their path. If it refuses, they leave as they would without the option.
func setDiscovery(fd, how int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how)
}

// fragmenting lets routers split into IP fragments what send sends over IPv4. Otherwise the
// system forbids them to. Over IPv6 only the sender may split a datagram, and no option
// makes the system do so before it knows that the path is too small.
func fragmenting(raw syscall.RawConn, send func()) {
	how := unix.IP_PMTUDISC_WANT
	_ = raw.Control(func(fd uintptr) {
		if now, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER); err == nil {
			how = now
		}
		setDiscovery(int(fd), unix.IP_PMTUDISC_DONT)
	})
	send()
	_ = raw.Control(func(fd uintptr) { setDiscovery(int(fd), how) })
}
