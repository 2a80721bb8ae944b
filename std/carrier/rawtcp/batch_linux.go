package rawtcp

import (
	"net/netip"
	"os"
	"sync"
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
	home  chan<- struct{}   // told when it has been processed; may be nil
	found []carrier.Inbound // the datagrams among them, for the reader

	count    int
	messages [rawPackets]mmsg.Header
	names    [rawPackets]unix.RawSockaddrInet6
	vectors  [rawPackets]unix.Iovec
	controls [rawPackets]mmsg.Control
	space    [rawPackets][rawSpace]byte
}

// rawBatches are what sockets borrow, only while there is something to read: a batch takes
// 70 KiB, and a client has a socket for each session.
var rawBatches = sync.Pool{New: func() any { return newRawBatch() }}

func newRawBatch() *rawBatch {
	b := &rawBatch{found: make([]carrier.Inbound, 0, rawPackets)}
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

// borrowBatch borrows an empty batch.
func borrowBatch() *rawBatch {
	b := rawBatches.Get().(*rawBatch)
	for i := range b.messages {
		b.messages[i].Hdr.Namelen = unix.SizeofSockaddrInet6
		b.messages[i].Hdr.SetControllen(len(b.controls[i].B))
	}
	return b
}

// giveBack returns a batch that has been processed.
func (b *rawBatch) giveBack() {
	home := b.home
	clear(b.found) // it holds flows
	b.home, b.found, b.count = nil, b.found[:0], 0
	rawBatches.Put(b)
	if home != nil {
		home <- struct{}{} // has room for every batch
	}
}

// read blocks until there is at least one packet, and borrows the batch that holds it.
func (s *rawSocket) read() (*rawBatch, error) {
	s.got, s.readErr = nil, nil
	if err := s.raw.Read(s.readable); err != nil {
		return nil, err
	}
	return s.got, s.readErr
}

func (s *rawSocket) tryRead(fd uintptr) (done bool) {
	b := borrowBatch()
	n, errno, ready := s.calls.Recv(fd, b.messages[:])
	if n > 0 {
		b.count, s.got = n, b
		return true
	}
	b.giveBack()
	if errno != 0 {
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
