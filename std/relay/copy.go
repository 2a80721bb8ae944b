package relay

import (
	"errors"
	"io"
)

// Copy copies src to dst until EOF, which is not an error, and returns the number of bytes.
// It prefers src's WriteTo, then dst's ReadFrom.
func Copy(dst io.Writer, src io.Reader) (int64, error) {
	if wt, ok := src.(io.WriterTo); ok {
		n, err := wt.WriteTo(dst)
		return n, noEOF(err)
	}
	if rf, ok := dst.(io.ReaderFrom); ok {
		return rf.ReadFrom(src)
	}
	buf := getBuffer(copyBuffer)
	defer buf.free()
	return io.CopyBuffer(dst, src, buf.bytes())
}

// noEOF turns EOF into success, because the WriteTo of smux returns EOF.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// corker is a writer that can hold small writes back, so that data that arrives together is
// sent together, also with the end of the stream.
type corker interface {
	io.Writer
	WriteCorked(p []byte) (int, error)
	Flush() error
}

// corkLimit is the largest write in bytes that is worth holding back, as that costs one
// more copy.
const corkLimit = 2 << 10

// roomer is a writer that can say in advance how much it will accept.
type roomer interface {
	// Room is how many bytes may be read ahead for a Write. If it is 0, AwaitRoom must be
	// called first.
	Room() int
	// AwaitRoom waits until a Write of up to size bytes would not block, and returns how
	// many bytes it will accept. The caller must then write soon, or end the stream.
	AwaitRoom(size int) (int, error)
}

// sink is what a relay writes to.
type sink interface {
	corker
	roomer
}

// source is what a relay reads from.
type source interface {
	// read reads what is available into a buffer, which then belongs to the caller. If
	// nothing is available it waits, or returns errNothingYet. EOF is an error here.
	read(wait bool) (buf *buffer, n int, err error)
}

// errNothingYet is returned by a read that must not wait.
var errNothingYet = errors.New("nothing to read yet")

// transfer copies like Copy, for relays. It waits for data and for room with a small buffer
// or none, so that thousands of idle streams take no memory for buffers. It holds no data
// back while it waits.
func transfer(dst sink, src io.Reader) error {
	from, err := newSource(src, dst)
	if err != nil {
		return err
	}
	if from == nil {
		if err := dst.Flush(); err != nil {
			return err
		}
		_, err := Copy(dst, src)
		return err
	}
	held := true // the SYN of the stream is held back at first
	for {
		buf, n, err := from.read(!held)
		switch {
		case n > corkLimit:
			_, err = dst.Write(buf.bytes()[:n])
			held = false
		case n > 0:
			_, err = dst.WriteCorked(buf.bytes()[:n])
			held = true
		case errors.Is(err, errNothingYet):
			err = dst.Flush()
			held = false
		}
		buf.free()
		if err != nil {
			return noEOF(err)
		}
	}
}

// growingReader is a source that needs a buffer to wait. It waits with a small one, and
// uses a large one only after filling a small one.
type growingReader struct {
	src  io.Reader
	dst  roomer
	full bool
	err  error // returned together with the last bytes
}

func (r *growingReader) read(wait bool) (*buffer, int, error) {
	switch {
	case r.err != nil:
		return nil, 0, r.err
	case !wait: // without waiting one cannot know
		return nil, 0, errNothingYet
	}
	size := smallBuffer
	if r.full {
		size = max(size, min(r.dst.Room(), copyBuffer))
	}
	buf := getBuffer(size)
	n, err := r.src.Read(buf.bytes()[:size])
	r.full = n == size
	if n > 0 {
		r.err, err = err, nil
	}
	return buf, n, err
}
