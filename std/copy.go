package std

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// copyBuffer is the size in bytes of the buffers that copying takes from a pool.
const copyBuffer = 64 << 10

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

// corker is a writer that can hold small writes back, so that they travel together:
// what arrives in one go, and the end of it.
type corker interface {
	io.Writer
	WriteCorked(p []byte) (int, error)
	Flush() error
}

// corkLimit is the most in bytes that is worth holding back: it is copied once more.
const corkLimit = 2 << 10

// transfer is Copy for relays. A socket is waited on without a buffer in hand,
// so that thousands of idle streams hold none, and with nothing held back.
func transfer(dst corker, src io.Reader) error {
	sock, ok := src.(socket)
	if !ok {
		if err := dst.Flush(); err != nil {
			return err
		}
		_, err := Copy(dst, src)
		return err
	}
	r, err := newSocketReader(sock)
	if err != nil {
		return err
	}
	held := true // the opening of the stream is
	for {
		buf, n, err := r.read(!held)
		switch {
		case n > corkLimit:
			_, err = dst.Write((*buf)[:n])
			held = false
		case n > 0:
			_, err = dst.WriteCorked((*buf)[:n])
			held = true
		case errors.Is(err, errNothingYet):
			err = dst.Flush()
			held = false
		}
		if buf != nil {
			copyBuffers.Put(buf)
		}
		if err != nil {
			return noEOF(err)
		}
	}
}

// socket is a connection of the system's, TCP or unix.
type socket interface {
	net.Conn
	syscall.Conn
}

// errNothingYet is the result of a read that was not to wait.
var errNothingYet = errors.New("nothing to read yet")
