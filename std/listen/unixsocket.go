package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"kcptun/std/address"
)

// listenOnUnix listens on the path of a unix socket, or on an abstract name. It replaces a
// socket file left by a killed run of the same user; any other file stays, and causes an
// error. A mode of 0 leaves the permissions of the file to the umask.
func listenOnUnix(addr string, mode fs.FileMode) (net.Listener, error) {
	if address.IsAbstract(addr) {
		return net.Listen("unix", addr)
	}
	if err := removeStale(addr); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{}
	if mode != 0 {
		lc.Control = restrict(mode)
	}
	inner, err := lc.Listen(context.Background(), "unix", addr)
	if err != nil {
		return nil, err
	}
	lis := inner.(*net.UnixListener)
	lis.SetUnlinkOnClose(false)
	if mode != 0 {
		err = os.Chmod(addr, mode)
	}
	own, err2 := os.Lstat(addr)
	if err = errors.Join(err, err2); err != nil {
		lis.Close()
		return nil, err
	}
	return &unixListener{UnixListener: lis, path: addr, own: own}, nil
}

// unixListener removes its socket file when it is closed, provided that the file is still
// the one it made.
type unixListener struct {
	*net.UnixListener
	path string
	own  fs.FileInfo
	once sync.Once
}

func (l *unixListener) Close() error {
	// Once only: file systems reuse the number of a removed file, possibly for the socket
	// of the next run.
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.own) {
			os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}

// removeStale removes a socket file if nobody is listening on it.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket, it is left alone: choose another path or remove it", path)
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
		return fmt.Errorf("%s exists and is not a stale socket of ours (%w), it is left alone", path, err)
	}
	return os.Remove(path)
}
