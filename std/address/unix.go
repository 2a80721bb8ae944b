// Package address reads addresses as users write them: host:port, a range of ports, the path
// of a unix socket. It looks nothing up and opens nothing.
package address

import (
	"runtime"
	"strings"
	"syscall"
)

// MaxUnixPath is the maximum length of the path of a unix socket in bytes: the system's
// structure has room for that and a NUL. It is 107 on Linux and Windows, and 103 on macOS
// and FreeBSD.
const MaxUnixPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// HasAbstract tells whether the system has unix sockets without a file. As in most
// programs, their names begin with an @, which stands for a NUL.
const HasAbstract = runtime.GOOS == "linux" || runtime.GOOS == "android"

// IsAbstract tells whether an address is the name of a unix socket without a file.
func IsAbstract(addr string) bool { return strings.HasPrefix(addr, "@") }

// IsUnixPath tells whether an address is the path of a unix socket, which is any address
// without a port. An abstract name, @name, is one, too.
func IsUnixPath(addr string) bool {
	return IsAbstract(addr) || strings.ContainsAny(addr, `/\`) || !strings.Contains(addr, ":")
}
