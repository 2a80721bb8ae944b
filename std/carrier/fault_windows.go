package carrier

import "syscall"

const portClosed = syscall.Errno(10054) // WSAECONNRESET is what a closed UDP port comes as

// datagramFaults are Winsock's numbers; Errno's names of these errors in package syscall
// are others, which no call returns.
var datagramFaults = [...]syscall.Errno{
	10040, // WSAEMSGSIZE
	10051, // WSAENETUNREACH
	10052, // WSAENETRESET
	10054, // WSAECONNRESET
	10061, // WSAECONNREFUSED
	10065, // WSAEHOSTUNREACH
}
