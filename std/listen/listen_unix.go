//go:build unix

package listen

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// restrict removes the permissions that mode does not grant from a socket before its file
// exists. Linux creates the file with the mode of the socket, so there is no moment at
// which others could connect. Other systems refuse; there the file has the mode that the
// umask leaves until it is changed.
func restrict(mode fs.FileMode) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
	}
}
