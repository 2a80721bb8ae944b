package link

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How many messages one system call takes at the most. On the way out that is one
// for each batch, or for each datagram where the kernel does not segment.
// A client has a socket for each session, so it does with less.
const (
	sendMessages = 64
	recvMessages = 8
	dialSend     = 8
	dialRecv     = 4
	recvSmall    = 2048    // bytes for each message at first
	recvLarge    = 1 << 16 // bytes for each with receive offload
)

// ancillary is room for the ancillary data of a message, aligned for its headers.
type ancillary struct {
	_ [0]uint64
	b [96]byte
}

// batchSocket is the carrier for Linux: sendmmsg and recvmmsg, segmentation on
// the way out (UDP_SEGMENT, Linux 4.18) and its reverse on the way in (UDP_GRO,
// 5.0), each where the kernel has it.
type batchSocket struct {
	*udpSocket
	raw syscall.RawConn
	opt Options
	gso bool // only the flusher uses it, after the start
	gro bool // not tried yet

	rx receiver
	tx sender
}

// newBatchSocket puts batching over a socket; the plain one where the system
// does not give what that needs.
func newBatchSocket(plain *udpSocket, opt Options, listening bool) carrier {
	raw, err := plain.conn.SyscallConn()
	if err != nil {
		return plain
	}
	s := &batchSocket{udpSocket: plain, raw: raw, opt: opt}
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

// probe asks the kernel what it can do.
func (s *batchSocket) probe(fd int) {
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	s.gso = err == nil
	_, err = unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO)
	s.gro = err == nil
}

func (s *batchSocket) recv() ([]inbound, error)           { return s.rx.recv() }
func (s *batchSocket) send(batches []*batch) (int, error) { return s.tx.send(batches) }

// receiver is the way in of a batchSocket.
type receiver struct {
	s     *batchSocket
	msgs  []mmsghdr
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6 // either family fits
	ctrl  []ancillary
	zones zones
	buf   []byte
	slot  int // bytes of buf for each message
	in    []inbound

	read func(fd uintptr) bool // made once: a closure a call would be an allocation a call
	n    int
	err  error
}

func (r *receiver) init(s *batchSocket, messages int) {
	r.s = s
	r.names, r.ctrl = make([]unix.RawSockaddrInet6, messages), make([]ancillary, messages)
	r.msgs, r.iovs = make([]mmsghdr, messages), make([]unix.Iovec, messages)
	r.in = make([]inbound, 0, messages)
	r.read = r.call
	r.setSlots(recvSmall)
}

// setSlots gives each message a buffer of size bytes.
func (r *receiver) setSlots(size int) {
	r.slot, r.buf = size, make([]byte, len(r.msgs)*size)
	for i := range r.msgs {
		r.iovs[i].Base = &r.buf[i*size]
		r.iovs[i].SetLen(size)
		h := &r.msgs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Control = &r.ctrl[i].b[0]
	}
}

// startGRO lets the kernel put datagrams of one source together. That takes
// large buffers, so it waits for the first sign of load: thousands of idle
// sessions of a client have small ones.
func (r *receiver) startGRO() {
	r.s.gro = false // tried
	large := func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil {
			r.setSlots(recvLarge)
		}
	}
	_ = r.s.raw.Control(large) // closed: the next call says so
}

// call is one recvmmsg; false makes the caller wait until there is something.
func (r *receiver) call(fd uintptr) bool {
	n, errno, ready := mmsg(unix.SYS_RECVMMSG, fd, r.msgs)
	if r.n, r.err = n, nil; errno != 0 {
		r.err = errno
	}
	return ready
}

func (r *receiver) recv() ([]inbound, error) {
	if r.s.gro && r.n == len(r.msgs) {
		r.startGRO()
	}
	for i := range r.msgs {
		h := &r.msgs[i].hdr
		h.Namelen = uint32(unsafe.Sizeof(r.names[i]))
		h.SetControllen(len(r.ctrl[i].b))
	}
	if err := r.s.raw.Read(r.read); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	r.in = r.in[:0]
	for i := range r.n {
		m := &r.msgs[i]
		data := r.buf[i*r.slot:][:m.len]
		in := inbound{data: data, size: len(data), from: fromRaw(&r.names[i], &r.zones)}
		parseControl(r.ctrl[i].b[:m.hdr.Controllen], &in)
		r.in = append(r.in, in)
	}
	return r.in, nil
}

// parseControl reads the segment size and the local address.
func parseControl(b []byte, in *inbound) {
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return
		}
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			if size := int(*(*int32)(unsafe.Pointer(&data[0]))); size > 0 {
				in.size = size
			}
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			in.at = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			in.at = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr).Unmap()
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
