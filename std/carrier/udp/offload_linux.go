package udp

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/carrier/mmsg"
)

// How many messages one system call takes at the most. On the way out that is one
// for each batch, or for each datagram where the kernel does not segment.
// A client has a socket for each session, so it does with less.
const (
	sendMessages = 64
	recvMessages = 8
	dialSend     = 8
	dialRecv     = 4
	recvBytes    = 1 << 16 // for each message: with receive offload one holds many datagrams
)

// batchSocket is the carrier for Linux: sendmmsg and recvmmsg, segmentation on
// the way out (UDP_SEGMENT, Linux 4.18) and its reverse on the way in (UDP_GRO,
// 5.0), each where the kernel has it.
type batchSocket struct {
	*socket
	raw   syscall.RawConn
	opt   carrier.Options
	calls mmsg.Calls
	gso   bool // only the flusher uses it, after the start

	rx receiver
	tx sender
}

// newBatchSocket puts batching over a socket; the plain one where the system
// does not give what that needs.
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

// probe asks the kernel what it can do. Where it cannot put datagrams of one source
// together, each is received by itself.
func (s *batchSocket) probe(fd int) {
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	s.gso = err == nil
	var missing error
	if s.calls, missing = mmsg.Find(uintptr(fd)); missing != nil {
		s.opt.Notices.MissingCall(s.opt.Log, missing)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
}

func (s *batchSocket) Recv() ([]carrier.Inbound, error)           { return s.rx.recv() }
func (s *batchSocket) Send(batches []*carrier.Batch) (int, error) { return s.tx.send(batches) }

// parseControl reads the segment size and the local address.
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

// fromRaw reads an address of either family.
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

// hostOrder turns a port's two bytes, which the wire has big end first, into a
// number or back.
func hostOrder(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}
