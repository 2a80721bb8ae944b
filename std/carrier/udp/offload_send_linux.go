package udp

import (
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/carrier/mmsg"
)

// sender is the sending half of a batchSocket.
type sender struct {
	s     *batchSocket
	msgs  []mmsg.Header
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6 // fits either family
	ctrl  []mmsg.Control

	write func(fd uintptr) bool
	split bool // see splitSmall
	todo  []mmsg.Header
	n     int
	err   error
}

func (t *sender) init(s *batchSocket, messages int) {
	t.s = s
	t.names, t.ctrl = make([]unix.RawSockaddrInet6, messages), make([]mmsg.Control, messages)
	t.msgs, t.iovs = make([]mmsg.Header, messages), make([]unix.Iovec, messages)
	t.write = t.call
}

// call makes one send call. It returns false to wait until the socket has room.
func (t *sender) call(fd uintptr) bool {
	n, errno, ready := t.s.calls.Send(fd, t.todo)
	if t.n, t.err = n, nil; errno != 0 {
		t.err = errno
	}
	return ready
}

// send sends whole batches if the kernel segments them, and single datagrams otherwise.
func (t *sender) send(batches []*carrier.Batch) (refused int, err error) {
	for len(batches) > 0 {
		n := 0
		for n < len(t.msgs) && n < len(batches) && t.whole(batches[n]) {
			t.fill(n, batches[n].Way, batches[n].Buf, batches[n].Size, batches[n].Count)
			n++
		}
		if n == 0 {
			r, e := t.apart(batches[0])
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
			r, whole := b.Count, e
			if again := t.splitSmall(b, e); again && b.Count == 1 {
				r, e = t.single(b)
			} else if b.Count > 1 && aboutSegments(e) {
				// The kernel reports the same for a source address that is no longer ours.
				// If the datagrams cannot be sent one by one either, the error says nothing
				// about segmentation.
				if r, e = t.single(b); r < b.Count {
					t.giveUp(b.Way, whole)
				}
			}
			if e != nil {
				refused, err = refused+r, e
			}
		}
	}
	return refused, err
}

// splitSmall lets the system split what even the first network card does not take, if an
// error says so of datagrams to which there is no smaller alternative. It tells whether that
// is new.
func (t *sender) splitSmall(b *carrier.Batch, e error) bool {
	if t.split || !errors.Is(e, unix.EMSGSIZE) || b.Size > leastWhole {
		return false
	}
	t.split = true
	_ = t.s.raw.Control(func(fd uintptr) { setDiscovery(int(fd), unix.IP_PMTUDISC_WANT) })
	return true
}

// whole tells whether a batch can go out in one message.
func (t *sender) whole(b *carrier.Batch) bool {
	return !b.Way.Fragments() && (b.Count == 1 || t.s.gso && b.Way.Segments())
}

// noOffload and noPath recognize the kernel's errors if it, or the path to the peer, does
// not support segmentation.
func noOffload(e error) bool {
	return errors.Is(e, unix.EIO) || errors.Is(e, unix.ENOPROTOOPT) || errors.Is(e, unix.EOPNOTSUPP)
}

func noPath(e error) bool { return errors.Is(e, unix.EINVAL) || errors.Is(e, unix.EMSGSIZE) }

func aboutSegments(e error) bool { return noOffload(e) || noPath(e) }

// giveUp stops using segmentation for good.
func (t *sender) giveUp(way *carrier.Way, e error) {
	if noOffload(e) {
		t.s.gso = false // the device cannot compute the checksums
		t.s.opt.Notices.MissingSegments(t.s.opt.Log, e)
		return
	}
	way.NoSegments() // segments would need IP fragments, on this path only
	t.s.opt.Log.Info("the system does not segment datagrams for this peer, sending them one by one", "to", way.Text, "err", e)
}

// apart sends the datagrams of a batch as messages of their own, and in fragments if their
// way asks for that.
func (t *sender) apart(b *carrier.Batch) (refused int, err error) {
	if !b.Way.Fragments() {
		return t.single(b)
	}
	carrier.InFragments(t.s.raw, func() { refused, err = t.single(b) })
	return refused, err
}

// single sends the datagrams of a batch as messages of their own.
func (t *sender) single(b *carrier.Batch) (refused int, err error) {
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
	b.Datagrams(func(d []byte) {
		t.fill(n, b.Way, d, len(d), 1)
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

// fill prepares message i with one or more datagrams.
func (t *sender) fill(i int, way *carrier.Way, b []byte, size, count int) {
	t.iovs[i].Base = &b[0]
	t.iovs[i].SetLen(len(b))
	h := &t.msgs[i].Hdr
	h.Name = (*byte)(unsafe.Pointer(&t.names[i]))
	h.Namelen = toRaw(&t.names[i], way.Addr, way.Scope, t.s.v6)
	h.Iov = &t.iovs[i]
	h.SetIovlen(1)
	space := 0
	if count > 1 {
		data, end := t.ctrl[i].Put(0, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		*(*uint16)(data), space = uint16(size), end
	}
	space = t.s.putLocal(&t.ctrl[i], space, way)
	h.Control, h.Flags = nil, 0
	if space > 0 {
		h.Control = &t.ctrl[i].B[0]
	}
	h.SetControllen(space)
}

// toRaw writes an address in the form of the socket's family and returns its length.
func toRaw(sa *unix.RawSockaddrInet6, to netip.AddrPort, scope uint32, v6 bool) uint32 {
	if v6 {
		*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: hostOrder(to.Port()), Addr: to.Addr().As16(), Scope_id: scope}
		return unix.SizeofSockaddrInet6
	}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(sa)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: hostOrder(to.Port()), Addr: to.Addr().As4()}
	return unix.SizeofSockaddrInet4
}
