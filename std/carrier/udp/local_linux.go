package udp

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/carrier/mmsg"
)

// localInfo lets a listening UDP socket answer from the address to which the peer sent. A peer
// accepts answers from no other address, and the system would choose one by its route to
// the peer.
type localInfo struct {
	v6   bool // the socket is IPv6, possibly dual-stack
	info bool // handle local addresses: the socket listens, and is not bound to a single one

	heard, told mmsg.Control // for the path with one datagram per system call
}

// prepare makes the kernel report local addresses if the socket listens.
func (i *localInfo) prepare(conn *net.UDPConn, listening bool) {
	local := conn.LocalAddr().(*net.UDPAddr).IP
	i.v6 = len(local) == net.IPv6len
	if !listening {
		return
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	ask := func(fd uintptr) {
		level, option := unix.IPPROTO_IP, unix.IP_PKTINFO
		if i.v6 {
			level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
		}
		i.info = local.IsUnspecified() && unix.SetsockoptInt(int(fd), level, option, 1) == nil
	}
	_ = raw.Control(ask) // if the socket is closed, the next call reports it
}

// read receives one datagram, which was sent to at.
func (i *localInfo) read(conn *net.UDPConn, b []byte) (n int, from netip.AddrPort, at netip.Addr, err error) {
	n, size, _, from, err := conn.ReadMsgUDPAddrPort(b, i.heard.B[:])
	if err != nil {
		return 0, from, at, err
	}
	var in carrier.Inbound
	parseControl(i.heard.B[:size], &in)
	return n, from, in.At, nil
}

// write sends one datagram.
func (i *localInfo) write(conn *net.UDPConn, d []byte, way *carrier.Way) error {
	space := i.putLocal(&i.told, 0, way)
	send := func() (err error) {
		_, _, err = conn.WriteMsgUDPAddrPort(d, i.told.B[:space], way.Addr)
		return err
	}
	if !way.Fragments() {
		return send()
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	carrier.InFragments(raw, func() { err = send() })
	return err
}

// putLocal appends the source address, if known, to ancillary data that ends at end. It
// returns the new end.
func (i *localInfo) putLocal(c *mmsg.Control, end int, way *carrier.Way) int {
	if !way.Local.IsValid() || !i.info {
		return end
	}
	if i.v6 {
		data, end := c.Put(end, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: way.Local.As16(), Ifindex: way.Scope}
		return end
	}
	data, end := c.Put(end, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
	*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: way.Local.As4()}
	return end
}
