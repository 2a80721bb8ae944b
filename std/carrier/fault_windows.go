package carrier

import "syscall"

const portClosed = syscall.Errno(10054) // WSAECONNRESET is how a closed UDP port is reported

// datagramFaults are Winsock's error numbers. The Errno constants of the same names in
// package syscall have other values, which no call returns.
var datagramFaults = [...]syscall.Errno{
	10040, // WSAEMSGSIZE
	10051, // WSAENETUNREACH
	10052, // WSAENETRESET
	10054, // WSAECONNRESET
	10061, // WSAECONNREFUSED
	10065, // WSAEHOSTUNREACH
}
