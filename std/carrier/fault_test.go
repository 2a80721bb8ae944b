package carrier

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestOfOneDatagram(t *testing.T) {
	wrapped := func(errno syscall.Errno) error {
		return &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("recvfrom", errno)}
	}
	for _, errno := range datagramFaults {
		if !OfOneDatagram(errno) || !OfOneDatagram(wrapped(errno)) {
			t.Errorf("%v is taken for a fault of the socket", errno)
		}
	}
	for _, err := range []error{syscall.ENOMEM, wrapped(syscall.ENOBUFS), syscall.EPERM, errors.New("another"), net.ErrClosed} {
		if OfOneDatagram(err) {
			t.Errorf("%v is taken for a fault of a datagram", err)
		}
	}
}
