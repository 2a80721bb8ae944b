package std

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// copyBuffer is the size in bytes of the buffers that copying takes from a pool.
const copyBuffer = 32 << 10

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// Copy copies src to dst until EOF, which is not an error, and returns the
// number of bytes. It prefers src's WriterTo, then dst's ReaderFrom.
func Copy(dst io.Writer, src io.Reader) (int64, error) {
	if wt, ok := src.(io.WriterTo); ok {
		n, err := wt.WriteTo(dst)
		return n, noEOF(err)
	}
	if rf, ok := dst.(io.ReaderFrom); ok {
		return rf.ReadFrom(src)
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(dst, src, *buf)
}

// noEOF takes EOF for a good end: smux's WriterTo returns it.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// transfer is Copy for relays. A socket is waited on without a buffer in hand,
// so that thousands of idle streams hold none.
func transfer(dst io.Writer, src io.Reader) error {
	sock, ok := src.(interface {
		net.Conn
		syscall.Conn
	})
	if !ok {
		_, err := Copy(dst, src)
		return err
	}
	for {
		buf, n, err := readSocket(sock)
		if n > 0 {
			_, err = dst.Write((*buf)[:n])
		}
		if buf != nil {
			copyBuffers.Put(buf)
		}
		if err != nil {
			return noEOF(err)
		}
	}
}
