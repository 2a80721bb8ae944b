package std

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// ListenStream listens for applications on host:port or on the path of a unix
// socket. A socket file that a killed run of this user left behind is replaced;
// any other file stays, and is an error.
func ListenStream(addr string) (net.Listener, error) {
	if !IsUnixPath(addr) {
		lc := net.ListenConfig{KeepAliveConfig: KeepAlive}
		return lc.Listen(context.Background(), "tcp", addr)
	}
	if err := removeStale(addr); err != nil {
		return nil, err
	}
	lis, err := net.ListenUnix("unix", &net.UnixAddr{Name: addr, Net: "unix"})
	if err != nil {
		return nil, err
	}
	lis.SetUnlinkOnClose(false)
	own, err := os.Lstat(addr)
	if err != nil {
		lis.Close()
		return nil, err
	}
	return &unixListener{UnixListener: lis, path: addr, own: own}, nil
}

// unixListener removes its socket file when it is closed, if that still is the
// one it made.
type unixListener struct {
	*net.UnixListener
	path string
	own  fs.FileInfo
	once sync.Once
}

func (l *unixListener) Close() error {
	// Once: file systems give the number of a removed file to the next one, which
	// may be the socket of the next run.
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.own) {
			os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}

// removeStale removes a socket file at which nobody listens.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is not a socket, it is left alone: choose another path or remove it", path)
	}
	if !ownedByUs(info) {
		return fmt.Errorf("%s is the socket of another user, it is left alone: choose another path", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s is in use by a program that listens there", path)
	}
	if !isRefused(err) {
		return fmt.Errorf("%s is there and is not a stale socket of ours (%w), it is left alone", path, err)
	}
	return os.Remove(path)
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
