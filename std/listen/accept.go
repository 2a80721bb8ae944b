package listen

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"kcptun/std/notice"
)

// Pauses of accepting: after a failure, doubling up to the maximum, and between checks for
// free descriptors. Both are too short for an application to notice.
const (
	firstAcceptPause = 5 * time.Millisecond
	lastAcceptPause  = 250 * time.Millisecond
	roomPause        = 50 * time.Millisecond
)

// Accept passes accepted connections to handle until ctx ends or the listener is closed,
// and returns the error that ended it. If the system has run out of something, such as
// descriptors or memory, it waits and continues. It leaves spare descriptors to the
// process, because what the connections wait for, a session or a name server, needs some
// too.
func Accept(ctx context.Context, lis net.Listener, log *slog.Logger, spare int, handle func(net.Conn)) error {
	var failures, pauses notice.Recurring
	pause := time.Duration(0)
	for {
		conn, err := lis.Accept()
		if err == nil {
			pause = 0
			room := hasSpare(conn, spare)
			handle(conn)
			if room {
				continue
			}
			if times, due := pauses.Due(); due {
				log.Warn("accepting pauses, descriptors are short", "limit", descriptorLimit(), "times", times)
			}
			for !isRoom(spare) {
				if !pauseFor(ctx, roomPause) {
					return net.ErrClosed
				}
			}
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return net.ErrClosed
		}
		if times, due := failures.Due(); due {
			log.Warn("accepting failed, going on", "err", err, "times", times)
		}
		pause = min(max(2*pause, firstAcceptPause), lastAcceptPause)
		if !pauseFor(ctx, pause) {
			return net.ErrClosed
		}
	}
}

// pauseFor waits, and returns false if ctx ended first.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
