package rawtcp

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/carrier/mmsg"
)

// What one system call reads. 2048 bytes exceed the longest datagram with the longest
// headers: 1500, 60 and 60.
const (
	rawPackets = 32
	rawSpace   = 2048
)

// rawBatch is a batch of packets as the kernel delivers them, and what was found in them.
type rawBatch struct {
	home  chan<- *rawBatch  // where it returns once it has been processed
	found []carrier.Inbound // the datagrams among them, for the reader

	count    int
	messages [rawPackets]mmsg.Header
	names    [rawPackets]unix.RawSockaddrInet6
	vectors  [rawPackets]unix.Iovec
	controls [rawPackets]mmsg.Control
	space    [rawPackets][rawSpace]byte
}

func newRawBatch(home chan<- *rawBatch) *rawBatch {
	b := &rawBatch{home: home, found: make([]carrier.Inbound, 0, rawPackets)}
	for i := range b.messages {
		b.vectors[i].Base = &b.space[i][0]
		b.vectors[i].SetLen(rawSpace)
		h := &b.messages[i].Hdr
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Control = &b.controls[i].B[0]
	}
	return b
}

// read blocks until it has at least one packet.
func (s *rawSocket) read(b *rawBatch) error {
	b.count, b.found = 0, b.found[:0]
	for i := range b.messages {
		b.messages[i].Hdr.Namelen = unix.SizeofSockaddrInet6
		b.messages[i].Hdr.SetControllen(len(b.controls[i].B))
	}
	s.into, s.readErr = b, nil
	if err := s.raw.Read(s.readable); err != nil {
		return err
	}
	return s.readErr
}

func (s *rawSocket) tryRead(fd uintptr) (done bool) {
	n, errno, ready := s.calls.Recv(fd, s.into.messages[:])
	if s.into.count = n; errno != 0 {
		s.readErr = os.NewSyscallError("recvmsg", errno)
	}
	return ready
}

// packet parses one packet of a batch: its addresses and the TCP segment in it.
func (b *rawBatch) packet(i int, ipv6 bool) (src, dst netip.Addr, rest []byte, ok bool) {
	data := b.space[i][:b.messages[i].Len]
	if !ipv6 {
		return parseIPv4(data)
	}
	control := b.controls[i].B[:b.messages[i].Hdr.Controllen]
	for len(control) >= unix.SizeofCmsghdr {
		h, value, more, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		if h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(value) >= 16 {
			return netip.AddrFrom16(b.names[i].Addr), netip.AddrFrom16([16]byte(value[:16])), data, true
		}
		control = more
	}
	return
}
