package carrier

import (
	"errors"
	"slices"
	"syscall"
)

// OfOneDatagram tells whether an error of a receive call concerns a single datagram, from
// anybody, rather than the socket: a datagram too long for the buffer, or an ICMP report
// that one of ours did not arrive. The call has consumed it, so the next datagram must not
// be delayed because of it.
func OfOneDatagram(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(datagramFaults[:], errno)
}

// Refusal tells whether an error is the system's report (by ICMP) that the port at the
// other end is closed.
func Refusal(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && errno == portClosed
}
