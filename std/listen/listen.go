// Package listen accepts connections from applications over TCP and unix sockets, and copes
// with a shortage of file descriptors. It does not know what the connections are for.
package listen

import (
	"context"
	"io/fs"
	"net"

	"kcptun/std/address"
)

// Stream listens on host:port or on a unix socket. The socket's file gets the given mode,
// unless that is 0.
func Stream(addr string, mode fs.FileMode) (net.Listener, error) {
	if address.IsUnixPath(addr) {
		return listenOnUnix(addr, mode)
	}
	lc := net.ListenConfig{KeepAliveConfig: KeepAlive}
	return lc.Listen(context.Background(), "tcp", addr)
}

// AddrText returns an address for the log. The clients of a unix socket have none.
func AddrText(a net.Addr) string {
	if a == nil || a.String() == "" || a.String() == "@" {
		return "unix"
	}
	return a.String()
}
