package main

import (
	"context"
	"net"
	"time"

	"kcptun/std/address"
	"kcptun/std/listen"
)

// Pauses before the target is dialled again, where descriptors are short.
const (
	firstDialPause = 10 * time.Millisecond
	lastDialPause  = 320 * time.Millisecond
)

// dialTarget connects to the target, TCP or a unix socket, within dialTimeout in all.
// Of a name's addresses package net tries both families 0.3 s apart, and gives each
// address of a family its share of the time. Where descriptors are short, it waits for
// one: a stream that is refused is lost, and others end meanwhile.
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
