//go:build unix

package std

import (
	"io"
	"os"
	"syscall"
)

// socketReader reads from a socket and takes a buffer of the pool only when there
// is something to read.
type socketReader struct {
	raw  syscall.RawConn
	try  func(fd uintptr) bool // tryRead, made once
	wait bool
	buf  *[]byte
	n    int
	err  error
}

func newSocketReader(sock socket) (*socketReader, error) {
	raw, err := sock.SyscallConn()
	r := &socketReader{raw: raw}
	r.try = r.tryRead
	return r, err
}

// read reads what is there into a buffer that is the caller's from then on. Where
// nothing is, it waits, or returns errNothingYet. EOF is an error here.
func (r *socketReader) read(wait bool) (buf *[]byte, n int, err error) {
	r.wait = wait
	err = r.raw.Read(r.try)
	buf, n = r.buf, r.n
	switch {
	case err != nil:
	case r.err == syscall.EAGAIN:
		err = errNothingYet
	case r.err != nil:
		err = os.NewSyscallError("read", r.err)
	case n == 0:
		err = io.EOF
	}
	r.buf = nil
	return buf, max(n, 0), err
}

// tryRead is false to wait until there is something to read.
func (r *socketReader) tryRead(fd uintptr) bool {
	r.buf = copyBuffers.Get().(*[]byte)
	for {
		r.n, r.err = syscall.Read(int(fd), *r.buf)
		if r.err != syscall.EINTR {
			break
		}
	}
	if r.err != syscall.EAGAIN {
		return true
	}
	copyBuffers.Put(r.buf)
	r.buf, r.n = nil, 0
	return !r.wait
}
