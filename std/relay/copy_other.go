//go:build !unix

package relay

import (
	"io"
	"syscall"
)

// newSource chooses how a relay reads from src. It returns nil if src has a WriteTo of its
// own. Sockets have one, too, but it holds a large buffer while it waits.
func newSource(src io.Reader, dst roomer) (source, error) {
	_, writes := src.(io.WriterTo)
	if _, socket := src.(syscall.Conn); writes && !socket {
		return nil, nil
	}
	return &growingReader{src: src, dst: dst}, nil
}
