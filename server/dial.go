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

// dialer connects streams with their target.
type dialer interface {
	dial(ctx context.Context) (net.Conn, error)
	String() string // the target as the log names it
}

// target is the address of --target, which is the same for all streams.
type target string

func (t target) String() string { return string(t) }

// dial connects over TCP or a unix socket, within dialTimeout. If the name has addresses of
// both families, package net starts the second family 0.3 s after the first and divides the
// time among the addresses of each. If the process is out of descriptors, dial waits for one
// to become free: a refused stream is lost, while other streams end and release theirs.
func (t target) dial(ctx context.Context) (net.Conn, error) {
	network := "tcp"
	if address.IsUnixPath(string(t)) {
		network = "unix"
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{KeepAliveConfig: listen.KeepAlive}
	for pause := firstDialPause; ; pause = min(2*pause, lastDialPause) {
		conn, err := d.DialContext(ctx, network, string(t))
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
