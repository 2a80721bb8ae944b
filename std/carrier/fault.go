package carrier

import (
	"errors"
	"slices"
	"syscall"
)

// OfOneDatagram tells whether an error of a receive call is about one datagram, of
// anybody's, and not about the socket: one that is too long for the buffer, or a report
// (ICMP) that one of ours did not arrive. The call has consumed it, and the next one is
// not to wait for it.
func OfOneDatagram(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(datagramFaults[:], errno)
}

// Refusal tells whether an error is the system's report (ICMP) that the port at the other
// end is closed.
func Refusal(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && errno == portClosed
}
