package main

import (
	"context"
	"net"

	"kcptun/std"
)

// dialTarget connects to the target, TCP or a unix socket.
func dialTarget(ctx context.Context, target string) (net.Conn, error) {
	network := "tcp"
	if std.IsUnixPath(target) {
		network = "unix"
	}
	d := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: std.KeepAlive}
	return d.DialContext(ctx, network, target)
}
