package std

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"time"
)

// ListenStream listens for applications on host:port, or on a unix socket whose
// file gets the mode, if that is not 0.
func ListenStream(addr string, mode fs.FileMode) (net.Listener, error) {
	if IsUnixPath(addr) {
		return listenOnUnix(addr, mode)
	}
	lc := net.ListenConfig{KeepAliveConfig: KeepAlive}
	return lc.Listen(context.Background(), "tcp", addr)
}

// AcceptLoop hands accepted connections to handle until ctx ends or the listener
// is closed, and returns the error that ended it. Where the system is out of
// something (descriptors, memory), it waits and goes on.
func AcceptLoop(ctx context.Context, lis net.Listener, log *slog.Logger, handle func(net.Conn)) error {
	wait := time.Duration(0)
	for {
		conn, err := lis.Accept()
		if err == nil {
			wait = 0
			handle(conn)
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return net.ErrClosed
		}
		if wait == 0 {
			log.Warn("accepting failed, going on", "err", err)
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return net.ErrClosed
		}
	}
}

// AddrText is an address for the log; unix sockets of clients have none.
func AddrText(a net.Addr) string {
	if a == nil || a.String() == "" || a.String() == "@" {
		return "unix"
	}
	return a.String()
}
