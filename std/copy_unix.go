//go:build unix

package std

import (
	"io"
	"net"
	"os"
	"syscall"
)

// readSocket waits until sock has bytes and reads them into a buffer of the
// pool, which it takes only then. EOF is an error here.
func readSocket(sock interface {
	net.Conn
	syscall.Conn
}) (buf *[]byte, n int, err error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return nil, 0, err
	}
	var errRead error
	err = raw.Read(func(fd uintptr) bool {
		buf = copyBuffers.Get().(*[]byte)
		n, errRead = syscall.Read(int(fd), *buf)
		for errRead == syscall.EINTR {
			n, errRead = syscall.Read(int(fd), *buf)
		}
		if errRead == syscall.EAGAIN {
			copyBuffers.Put(buf)
			buf, n = nil, 0
			return false
		}
		return true
	})
	switch {
	case err != nil:
		return buf, 0, err
	case errRead != nil:
		return buf, 0, os.NewSyscallError("read", errRead)
	case n == 0:
		return buf, 0, io.EOF
	}
	return buf, n, nil
}
