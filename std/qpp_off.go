//go:build noqpp

package std

import (
	"io"
)

func qppWrapper(int, string) func(io.ReadWriteCloser) io.ReadWriteCloser { return nil }
