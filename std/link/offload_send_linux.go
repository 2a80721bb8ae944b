package link

import (
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender is the way out of a batchSocket.
type sender struct {
	s     *batchSocket
	msgs  []mmsghdr
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6 // either family fits
	ctrl  []ancillary

	write func(fd uintptr) bool
	todo  []mmsghdr
	n     int
	err   error
}

func (t *sender) init(s *batchSocket, messages int) {
	t.s = s
	t.names, t.ctrl = make([]unix.RawSockaddrInet6, messages), make([]ancillary, messages)
	t.msgs, t.iovs = make([]mmsghdr, messages), make([]unix.Iovec, messages)
	t.write = t.call
}

// call is one send call; false makes the caller wait until the socket has room.
func (t *sender) call(fd uintptr) bool {
	n, errno, ready := t.s.calls.send(fd, t.todo)
	if t.n, t.err = n, nil; errno != 0 {
		t.err = errno
	}
	return ready
}

// send sends batches as they are where the kernel segments them, and as single
// datagrams where it does not.
func (t *sender) send(batches []*batch) (refused int, err error) {
	for len(batches) > 0 {
		n := 0
		for n < len(t.msgs) && n < len(batches) && t.whole(batches[n]) {
			t.fill(n, batches[n].peer, batches[n].buf, batches[n].size, batches[n].count)
			n++
		}
		if n == 0 {
			r, e := t.single(batches[0])
			if e != nil {
				refused, err = refused+r, e
			}
			batches = batches[1:]
			continue
		}
		sent, e := t.flush(n)
		batches = batches[sent:]
		if e != nil { // of the first that was not sent
			b := batches[0]
			batches = batches[1:]
			r, whole := b.count, e
			if b.count > 1 && aboutSegments(e) {
				// The same is said of an address that is not ours any more. What does
				// not go one by one either says nothing about segmenting.
				if r, e = t.single(b); r < b.count {
					t.giveUp(b.peer, whole)
				}
			}
			if e != nil {
				refused, err = refused+r, e
			}
		}
	}
	return refused, err
}

// whole tells whether a batch can go out in one message.
func (t *sender) whole(b *batch) bool { return b.count == 1 || t.s.gso && !b.peer.noGSO.Load() }

// noOffload and noPath are what the kernel says where it, or the way to the peer,
// does not segment.
func noOffload(e error) bool {
	return errors.Is(e, unix.EIO) || errors.Is(e, unix.ENOPROTOOPT) || errors.Is(e, unix.EOPNOTSUPP)
}

func noPath(e error) bool { return errors.Is(e, unix.EINVAL) || errors.Is(e, unix.EMSGSIZE) }

func aboutSegments(e error) bool { return noOffload(e) || noPath(e) }

// giveUp gives segmentation up for good.
func (t *sender) giveUp(p *Peer, e error) {
	if noOffload(e) {
		t.s.gso = false // the device cannot make the checksums
		t.s.opt.Stats.notices.noSegments(t.s.opt.Log, e)
		return
	}
	p.noGSO.Store(true) // segments that need fragments, on this path alone
	t.s.opt.Log.Info("the system does not segment datagrams for this peer, sending them one by one", "to", p.text, "err", e)
}

// single sends the datagrams of a batch as messages of their own.
func (t *sender) single(b *batch) (refused int, err error) {
	n := 0
	out := func() {
		for at := 0; at < n; {
			sent, e := t.flushFrom(at, n)
			if at += sent; e != nil { // the one that failed is lost
				refused, err = refused+1, e
				at++
			}
		}
		n = 0
	}
	b.datagrams(func(d []byte) {
		t.fill(n, b.peer, d, len(d), 1)
		if n++; n == len(t.msgs) {
			out()
		}
	})
	out()
	return refused, err
}

func (t *sender) flush(n int) (int, error) { return t.flushFrom(0, n) }

// flushFrom sends messages until all are sent or one fails.
func (t *sender) flushFrom(from, to int) (sent int, err error) {
	for at := from; at < to; at += t.n {
		t.todo = t.msgs[at:to]
		if err := t.s.raw.Write(t.write); err != nil {
			return at - from, err
		}
		if t.err != nil {
			return at - from, t.err
		}
	}
	return to - from, nil
}

// fill makes message i of one or more datagrams.
func (t *sender) fill(i int, p *Peer, b []byte, size, count int) {
	t.iovs[i].Base = &b[0]
	t.iovs[i].SetLen(len(b))
	h := &t.msgs[i].hdr
	h.Name = (*byte)(unsafe.Pointer(&t.names[i]))
	h.Namelen = toRaw(&t.names[i], p.addr, p.scope, t.s.v6)
	h.Iov = &t.iovs[i]
	h.SetIovlen(1)
	space := 0
	if count > 1 {
		space = putControl(&t.ctrl[i], 0, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		*(*uint16)(unsafe.Pointer(&t.ctrl[i].b[unix.CmsgLen(0)])) = uint16(size)
	}
	space = t.s.putLocal(&t.ctrl[i], space, p)
	h.Control, h.Flags = nil, 0
	if space > 0 {
		h.Control = &t.ctrl[i].b[0]
	}
	h.SetControllen(space)
}

// putControl begins an ancillary message of size bytes and returns its end.
func putControl(c *ancillary, at, level, kind, size int) int {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c.b[at]))
	h.Level, h.Type = int32(level), int32(kind)
	h.SetLen(unix.CmsgLen(size))
	return at + unix.CmsgSpace(size)
}

// toRaw writes an address in the form of the socket's family and returns its
// length.
func toRaw(sa *unix.RawSockaddrInet6, to netip.AddrPort, scope uint32, v6 bool) uint32 {
	if v6 {
		*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: hostOrder(to.Port()), Addr: to.Addr().As16(), Scope_id: scope}
		return unix.SizeofSockaddrInet6
	}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(sa)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: hostOrder(to.Port()), Addr: to.Addr().As4()}
	return unix.SizeofSockaddrInet4
}
