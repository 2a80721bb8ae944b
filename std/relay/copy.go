package relay

import (
	"errors"
	"io"
)

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
	buf := getBuffer(copyBuffer)
	defer buf.free()
	return io.CopyBuffer(dst, src, buf.bytes())
}

// noEOF turns EOF into success: the WriterTo of smux returns it.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// corker is a writer that can hold small writes back, so that data that arrives together,
// and the end of a stream, travel together.
type corker interface {
	io.Writer
	WriteCorked(p []byte) (int, error)
	Flush() error
}

// corkLimit is the most in bytes that is worth holding back, as it is copied once more.
const corkLimit = 2 << 10

// roomer is a writer that can tell in advance how much it accepts.
type roomer interface {
	// Room is how many bytes may be read ahead for a Write; 0 where AwaitRoom comes first.
	Room() int
	// AwaitRoom waits until a Write of up to size bytes would not wait, and returns how
	// many bytes it accepts. The Write, or the end of the stream, follows soon.
	AwaitRoom(size int) (int, error)
}

// canceler is a writer whose waits can be called off: they return an error from then on.
type canceler interface{ Cancel() }

// sink is what a relay writes to.
type sink interface {
	corker
	roomer
}

// source is what a relay reads from.
type source interface {
	// read reads what is available into a buffer that then belongs to the caller. Where
	// nothing is, it waits, or returns errNothingYet. EOF is an error here.
	read(wait bool) (buf *buffer, n int, err error)
}

// errNothingYet is the result of a read that was not to wait.
var errNothingYet = errors.New("nothing to read yet")

// transfer is Copy for relays. It waits for bytes and for room without a buffer, or with a
// small one, so that thousands of idle streams hold none, and it holds no data back while
// it waits.
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
	held := true // the opening of the stream is
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

// growingReader is a source that cannot be waited for without a buffer. It waits with a
// small one, and uses a large one only after a small one was filled.
type growingReader struct {
	src  io.Reader
	dst  roomer
	full bool
	err  error // came with the last bytes
}

func (r *growingReader) read(wait bool) (*buffer, int, error) {
	switch {
	case r.err != nil:
		return nil, 0, r.err
	case !wait: // only waiting tells whether there is something
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
