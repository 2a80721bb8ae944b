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

// restrict removes the rights that mode does not grant from a socket before its file
// exists. Linux creates the file with the mode of the socket, so that others cannot
// connect at any moment; other systems refuse, and the file has the mode of the umask
// until it is changed.
func restrict(mode fs.FileMode) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
	}
}
