//go:build unix

package relay

import (
	"io"
	"net"
	"os"
	"syscall"
)

// socket is a connection with a file descriptor, TCP or unix.
type socket interface {
	net.Conn
	syscall.Conn
}

// newSource chooses how a relay reads from src. It returns nil if src has a WriteTo of its
// own.
func newSource(src io.Reader, dst roomer) (source, error) {
	if sock, ok := src.(socket); ok {
		return newSocketReader(sock, dst)
	}
	if _, ok := src.(io.WriterTo); ok {
		return nil, nil
	}
	return &growingReader{src: src, dst: dst}, nil
}

// socketReader reads from a socket. It takes a buffer from the pool only when there is data
// to read and room for it.
type socketReader struct {
	raw  syscall.RawConn
	dst  roomer
	try  func(fd uintptr) bool // tryRead; a field, so that it is allocated once
	wait bool
	room int // granted by AwaitRoom for the next read

	buf    *buffer
	n      int
	excess int // bytes seen in the socket without room for them; there may be more
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

// tryRead returns false to wait until there is something to read.
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

// tryPeek replaces tryRead while there is no room. The data stays in the socket, but EOF or
// an error is noticed.
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

// decided reports whether an attempt had a result. If it had none, it gives the buffer
// back.
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
