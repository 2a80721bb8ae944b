//go:build !unix

package std

import (
	"net"
	"syscall"
)

// readSocket reads into a buffer of the pool. EOF is an error here.
func readSocket(sock interface {
	net.Conn
	syscall.Conn
}) (buf *[]byte, n int, err error) {
	buf = copyBuffers.Get().(*[]byte)
	n, err = sock.Read(*buf)
	return buf, n, err
}
