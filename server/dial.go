package main

import (
	"context"
	"net"
	"time"

	"kcptun/std/address"
	"kcptun/std/listen"
)

// Pauses before dialling the target again when the process is out of descriptors.
const (
	firstDialPause = 10 * time.Millisecond
	lastDialPause  = 320 * time.Millisecond
)

// dialTarget connects to the target, over TCP or a unix socket, within dialTimeout. If the
// name has addresses of both families, package net starts the second family 0.3 s after the
// first and divides the time among the addresses of each. If the process is out of
// descriptors, dialTarget waits for one to become free: a refused stream is lost, while
// other streams end and release theirs.
func dialTarget(ctx context.Context, target string) (net.Conn, error) {
	network := "tcp"
	if address.IsUnixPath(target) {
		network = "unix"
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{KeepAliveConfig: listen.KeepAlive}
	for pause := firstDialPause; ; pause = min(2*pause, lastDialPause) {
		conn, err := d.DialContext(ctx, network, target)
		if err == nil || !listen.OutOfDescriptors(err) {
			return conn, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}
