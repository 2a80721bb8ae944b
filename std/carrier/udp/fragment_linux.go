package udp

import "golang.org/x/sys/unix"

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
