package rawtcp

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/carrier/mmsg"
)

// sendMessages is the most segments in one system call.
const sendMessages = 64

// rawSender is the sending half of a carrier: it gathers segments of several flows for one
// system call. Only one goroutine uses it.
type rawSender struct {
	sock    *rawSocket // of the gathered segments
	count   int
	refused int // since the start of a send; err is the reason
	err     error

	messages [sendMessages]mmsg.Header
	vectors  [sendMessages][2]unix.Iovec
	headers  [sendMessages][tcpHeaderSize]byte

	todo     []mmsg.Header
	sent     int
	writeErr error
	writable func(fd uintptr) bool
}

func newRawSender() *rawSender {
	s := new(rawSender)
	s.writable = s.tryWrite
	for i := range s.messages {
		s.vectors[i][0].Base = &s.headers[i][0]
		s.vectors[i][0].SetLen(tcpHeaderSize)
		h := &s.messages[i].Hdr
		h.Iov = &s.vectors[i][0]
		h.SetIovlen(2)
	}
	return s
}

// addBatch gathers the datagrams of a batch. If they may be split, it sends them by themselves.
func (s *rawSender) addBatch(f *flow, b *carrier.Batch) {
	if !b.Way.Fragments() {
		b.Datagrams(func(d []byte) { s.add(f, d) })
		return
	}
	s.flush()
	carrier.InFragments(f.sock.raw, func() {
		b.Datagrams(func(d []byte) { s.add(f, d) })
		s.flush()
	})
}

// add gathers one payload as a segment of a flow.
func (s *rawSender) add(f *flow, payload []byte) {
	if s.count == sendMessages || s.count > 0 && s.sock != f.sock {
		s.flush()
	}
	fields, known := f.advance(len(payload))
	if !known {
		s.refuse(errNoFlow)
		return
	}
	fields.stamp = uint32(time.Now().UnixMilli())
	i := s.count
	s.headers[i] = f.header
	fillHeader(&s.headers[i], fields, f.pseudo, payload)
	s.vectors[i][1].Base = &payload[0]
	s.vectors[i][1].SetLen(len(payload))
	h := &s.messages[i].Hdr
	if f.sock.ipv6 {
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&f.name6)), unix.SizeofSockaddrInet6
	} else {
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&f.name4)), unix.SizeofSockaddrInet4
	}
	h.Control = &f.control[0]
	h.SetControllen(len(f.control))
	s.sock, s.count = f.sock, i+1
}

func (s *rawSender) refuse(err error) { s.refused, s.err = s.refused+1, err }

// flush sends what was gathered. The kernel stops at a segment that it refuses; the
// following ones are sent nevertheless.
func (s *rawSender) flush() {
	s.todo = s.messages[:s.count]
	for len(s.todo) > 0 {
		if err := s.sock.raw.Write(s.writable); err != nil { // closed
			s.refused, s.err = s.refused+len(s.todo), err
			break
		}
		s.todo = s.todo[s.sent:]
		if s.writeErr != nil {
			s.refuse(s.writeErr)
			s.todo = s.todo[1:]
		}
	}
	s.count = 0
}

// result ends a send, and returns its outcome.
func (s *rawSender) result() (refused int, err error) {
	refused, err = s.refused, s.err
	s.refused, s.err = 0, nil
	return refused, err
}

func (s *rawSender) tryWrite(fd uintptr) (done bool) {
	n, errno, ready := s.sock.calls.Send(fd, s.todo)
	if s.sent, s.writeErr = n, nil; errno != 0 {
		s.writeErr = os.NewSyscallError("sendmsg", errno)
	}
	return ready
}
