package udp

import (
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/carrier/mmsg"
)

// recvBlock is space for the messages of a client's receive call. A listener uses several
// blocks.
type recvBlock [dialRecv * recvBytes]byte

var recvBlocks = sync.Pool{New: func() any { return new(recvBlock) }}

// receiver is the receiving half of a batchSocket. It borrows its buffers only while there
// is something to read. A socket that waits holds none, so the thousands of sessions of a
// client, each with its own socket, share a few, even after a load.
type receiver struct {
	s     *batchSocket
	msgs  []mmsg.Header
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6 // fits either family
	ctrl  []mmsg.Control
	zones zones
	lent  []*recvBlock // each for dialRecv messages; nil if none is borrowed
	in    []carrier.Inbound
	lull  lull
	pause time.Duration // before the next call

	read func(fd uintptr) bool // made once, because a new closure for every call would be an allocation for every call
	n    int
	err  error
}

func (r *receiver) init(s *batchSocket, messages int) {
	r.s = s
	r.names, r.ctrl = make([]unix.RawSockaddrInet6, messages), make([]mmsg.Control, messages)
	r.msgs, r.iovs = make([]mmsg.Header, messages), make([]unix.Iovec, messages)
	r.lent, r.in = make([]*recvBlock, messages/dialRecv), make([]carrier.Inbound, 0, messages)
	r.read = r.call
	for i := range r.msgs {
		r.iovs[i].SetLen(recvBytes)
		h := &r.msgs[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Control = &r.ctrl[i].B[0]
	}
}

// borrow borrows buffers unless some are held already.
func (r *receiver) borrow() {
	if r.lent[0] != nil {
		return
	}
	for i := range r.lent {
		r.lent[i] = recvBlocks.Get().(*recvBlock)
	}
	for i := range r.iovs {
		r.iovs[i].Base = &r.room(i)[0]
	}
}

// giveBack returns the buffers and clears all pointers into them, which would otherwise
// keep them from being collected.
func (r *receiver) giveBack() {
	for i := range r.iovs {
		r.iovs[i].Base = nil
	}
	clear(r.in[:cap(r.in)])
	for i, b := range r.lent {
		recvBlocks.Put(b)
		r.lent[i] = nil
	}
}

// room is the buffer for message i.
func (r *receiver) room(i int) []byte {
	return r.lent[i/dialRecv][i%dialRecv*recvBytes:][:recvBytes]
}

// call makes one receive call. It returns false to wait until there is something to read.
func (r *receiver) call(fd uintptr) bool {
	r.borrow()
	n, errno, ready := r.s.calls.Recv(fd, r.msgs)
	if r.n, r.err = n, nil; errno != 0 {
		r.err = errno
	}
	if !ready {
		r.giveBack()
	}
	return ready
}

// recv keeps the borrowed buffers until a call finds nothing to read.
func (r *receiver) recv() ([]carrier.Inbound, error) {
	r.pauseIfDue()
	for i := range r.msgs {
		h := &r.msgs[i].Hdr
		h.Namelen = uint32(unsafe.Sizeof(r.names[i]))
		h.SetControllen(len(r.ctrl[i].B))
	}
	if err := r.s.raw.Read(r.read); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	r.in = r.in[:0]
	bytes, merged := 0, false
	for i := range r.n {
		m := &r.msgs[i]
		data := r.room(i)[:m.Len]
		in := carrier.Inbound{Data: data, Size: len(data), From: fromRaw(&r.names[i], &r.zones)}
		parseControl(r.ctrl[i].B[:m.Hdr.Controllen], &in)
		r.in = append(r.in, in)
		bytes += len(data)
		merged = merged || in.Size < len(data)
	}
	r.pause = r.lull.pause(time.Now(), r.n, bytes, len(r.msgs), merged)
	return r.in, nil
}

// pauseIfDue pauses if the load says so. By now the datagrams received last have been
// processed.
func (r *receiver) pauseIfDue() {
	if r.pause == 0 {
		return
	}
	left := unix.NsecToTimespec(int64(r.pause))
	_ = unix.Nanosleep(&left, nil) // a pause cut short by a signal is good enough
}
