// Package listen accepts connections of applications, over TCP and unix sockets: with what
// descriptors there are, and with an eye on those that leave before they are served.
package listen

import (
	"context"
	"io/fs"
	"net"

	"kcptun/std/address"
)

// Stream listens for applications on host:port, or on a unix socket whose
// file gets the mode, if that is not 0.
func Stream(addr string, mode fs.FileMode) (net.Listener, error) {
	if address.IsUnixPath(addr) {
		return listenOnUnix(addr, mode)
	}
	lc := net.ListenConfig{KeepAliveConfig: KeepAlive}
	return lc.Listen(context.Background(), "tcp", addr)
}

// AddrText is an address for the log; unix sockets of clients have none.
func AddrText(a net.Addr) string {
	if a == nil || a.String() == "" || a.String() == "@" {
		return "unix"
	}
	return a.String()
}
