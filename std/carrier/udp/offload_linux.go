package udp

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/carrier/mmsg"
)

// The most messages in one system call. When sending, a message is a batch, or a single
// datagram if the kernel does not segment. A client has a socket for each session, so it
// uses smaller numbers.
const (
	sendMessages = 64
	recvMessages = 8
	dialSend     = 8
	dialRecv     = 4
	recvBytes    = 1 << 16 // for each message; with receive offload, one message holds many datagrams
)

// batchSocket is the carrier for Linux. It uses sendmmsg and recvmmsg, segmentation when
// sending (UDP_SEGMENT, Linux 4.18) and the reverse when receiving (UDP_GRO, Linux 5.0),
// each if the kernel has it.
type batchSocket struct {
	*socket
	raw   syscall.RawConn
	opt   carrier.Options
	calls mmsg.Calls
	gso   bool // after the start, used by the flusher only

	rx receiver
	tx sender
}

// newBatchSocket adds batching to a socket. It returns the plain socket if the system lacks
// what batching needs.
func newBatchSocket(plain *socket, opt carrier.Options, listening bool) carrier.Carrier {
	raw, err := plain.conn.SyscallConn()
	if err != nil {
		return plain
	}
	s := &batchSocket{socket: plain, raw: raw, opt: opt}
	err = raw.Control(func(fd uintptr) { s.probe(int(fd)) })
	if err != nil {
		return plain
	}
	if listening {
		s.rx.init(s, recvMessages)
		s.tx.init(s, sendMessages)
	} else {
		s.rx.init(s, dialRecv)
		s.tx.init(s, dialSend)
	}
	return s
}

// probe asks the kernel what it supports. If it cannot merge datagrams of one source, each
// is received on its own.
func (s *batchSocket) probe(fd int) {
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	s.gso = err == nil
	var missing error
	if s.calls, missing = mmsg.Find(uintptr(fd)); missing != nil {
		s.opt.Notices.MissingCall(s.opt.Log, missing)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	setDiscovery(fd, unix.IP_PMTUDISC_PROBE)
}

func (s *batchSocket) Recv() ([]carrier.Inbound, error)           { return s.rx.recv() }
func (s *batchSocket) Send(batches []*carrier.Batch) (int, error) { return s.tx.send(batches) }

// parseControl extracts the segment size and the local address.
func parseControl(b []byte, in *carrier.Inbound) {
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return
		}
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			if size := int(*(*int32)(unsafe.Pointer(&data[0]))); size > 0 {
				in.Size = size
			}
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			in.At = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			in.At = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr).Unmap()
		}
		b = rest
	}
}

// fromRaw converts an address of either family.
func fromRaw(sa *unix.RawSockaddrInet6, zones *zones) netip.AddrPort {
	if sa.Family == unix.AF_INET {
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), hostOrder(sa4.Port))
	}
	a := netip.AddrFrom16(sa.Addr).Unmap()
	if sa.Scope_id != 0 && a.IsLinkLocalUnicast() {
		a = a.WithZone(zones.name(sa.Scope_id))
	}
	return netip.AddrPortFrom(a, hostOrder(sa.Port))
}

// hostOrder converts a port between network and host byte order, either way.
func hostOrder(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}
