//go:build unix

package relay

import (
	"io"
	"net"
	"os"
	"syscall"
)

// socket is a connection of the operating system, TCP or unix.
type socket interface {
	net.Conn
	syscall.Conn
}

// newSource returns how a relay reads from src; nil where src writes by itself.
func newSource(src io.Reader, dst roomer) (source, error) {
	if sock, ok := src.(socket); ok {
		return newSocketReader(sock, dst)
	}
	if _, ok := src.(io.WriterTo); ok {
		return nil, nil
	}
	return &growingReader{src: src, dst: dst}, nil
}

// socketReader reads from a socket. It gets a pooled buffer only when there is something
// to read and room for it.
type socketReader struct {
	raw  syscall.RawConn
	dst  roomer
	try  func(fd uintptr) bool // tryRead, made once
	wait bool
	room int // was given by AwaitRoom, for the next read

	buf    *buffer
	n      int
	excess int // bytes are there for which there is no room; more may be
	err    error
}

func newSocketReader(sock socket, dst roomer) (*socketReader, error) {
	raw, err := sock.SyscallConn()
	r := &socketReader{raw: raw, dst: dst}
	r.try = r.tryRead
	return r, err
}

func (r *socketReader) read(wait bool) (*buffer, int, error) {
	r.wait = wait
	for {
		r.buf, r.n, r.excess, r.err = nil, 0, 0, nil
		if err := r.raw.Read(r.try); err != nil {
			return nil, 0, err
		}
		if r.excess == 0 {
			break
		}
		var err error
		if r.room, err = r.dst.AwaitRoom(r.excess); err != nil {
			return nil, 0, err
		}
	}
	buf := r.buf
	r.buf = nil
	switch {
	case r.err == syscall.EAGAIN:
		return buf, 0, errNothingYet
	case r.err != nil:
		return buf, 0, os.NewSyscallError("read", r.err)
	case r.n == 0:
		return buf, 0, io.EOF
	}
	return buf, r.n, nil
}

// tryRead is false to wait until there is something to read.
func (r *socketReader) tryRead(fd uintptr) bool {
	room := r.room
	if room == 0 {
		room = r.dst.Room()
	}
	r.room = 0
	if room == 0 {
		return r.tryPeek(int(fd))
	}
	r.buf = getBuffer(min(room, copyBuffer))
	into := r.buf.bytes()
	into = into[:min(room, len(into))]
	r.n, r.err = retried(func() (int, error) { return syscall.Read(int(fd), into) })
	return r.decided()
}

// tryPeek is tryRead without room: the data stays in the socket, but an end or an error is
// noticed.
func (r *socketReader) tryPeek(fd int) bool {
	r.buf = getBuffer(smallBuffer)
	r.n, r.err = retried(func() (int, error) {
		n, _, err := syscall.Recvfrom(fd, r.buf.bytes(), syscall.MSG_PEEK)
		return n, err
	})
	if r.err == nil && r.n > 0 {
		r.excess = r.n
		r.buf.free()
		r.buf = nil
	}
	return r.decided()
}

// decided tells whether an attempt had a result. Where it had none, no buffer is kept.
func (r *socketReader) decided() bool {
	if r.err != syscall.EAGAIN {
		return true
	}
	r.buf.free()
	r.buf, r.n = nil, 0
	return !r.wait
}

// retried calls f again while signals interrupt it.
func retried(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); err != syscall.EINTR {
			return n, err
		}
	}
}
