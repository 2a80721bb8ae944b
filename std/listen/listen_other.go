//go:build !unix

package listen

import (
	"errors"
	"io/fs"
	"syscall"
)

func ownedByUs(fs.FileInfo) bool { return true }

// wsaConnRefused is WSAECONNREFUSED on Windows.
const wsaConnRefused = syscall.Errno(10061)

func isRefused(err error) bool { return errors.Is(err, wsaConnRefused) }

// restrict does nothing, because file modes are not supported here.
func restrict(fs.FileMode) func(network, address string, c syscall.RawConn) error { return nil }
