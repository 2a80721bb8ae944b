//go:build !unix

package relay

import (
	"io"
	"syscall"
)

// newSource returns how a relay reads from src; nil where src writes by itself. Sockets
// do, too, but hold a large buffer while they wait.
func newSource(src io.Reader, dst roomer) (source, error) {
	_, writes := src.(io.WriterTo)
	if _, socket := src.(syscall.Conn); writes && !socket {
		return nil, nil
	}
	return &growingReader{src: src, dst: dst}, nil
}
