//go:build !windows

package carrier

import "syscall"

const portClosed = syscall.ECONNREFUSED

var datagramFaults = [...]syscall.Errno{
	syscall.EMSGSIZE,
	syscall.ENETUNREACH,
	syscall.ENETRESET,
	syscall.ECONNRESET,
	syscall.ECONNREFUSED,
	syscall.EHOSTUNREACH,
}
