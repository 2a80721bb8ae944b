package std

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/xtaci/smux"
)

// errCut is the end of a stream whose session was closed before the peer had
// finished it: what was read is not all.
var errCut = errors.New("session ended before the stream did")

// Stream is one smux stream of a session, with a half-close that loses nothing.
type Stream struct {
	mux      *smux.Stream
	session  *Session
	peerDone atomic.Bool // the peer's FIN has arrived
	wrote    atomic.Bool // our FIN was sent
	updated  atomic.Bool // smux has made a window update for it

	credit credit // to send; only Write uses it up
	closed chan struct{}
	once   sync.Once
}

// ID is the smux stream id.
func (st *Stream) ID() uint32 { return st.mux.ID() }

// Read reads what the peer sent. EOF is the peer's FIN and nothing else.
func (st *Stream) Read(p []byte) (int, error) {
	n, err := st.mux.Read(p)
	return n, st.end(err)
}

// WriteTo writes all that the peer sends to w, without a copy in between. Like
// Copy it takes EOF for a good end.
func (st *Stream) WriteTo(w io.Writer) (int64, error) {
	n, err := st.mux.WriteTo(w)
	return n, noEOF(st.end(err))
}

// end tells the end of the stream from that of the session, and from our own
// Close, which drops what is unread: smux says EOF for all of them.
func (st *Stream) end(err error) error {
	if err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	select {
	case <-st.closed:
		return net.ErrClosed
	default:
	}
	if st.peerDone.Load() {
		return io.EOF
	}
	if reason := st.session.Err(); reason != nil {
		return reason
	}
	if st.session.mux.IsClosed() {
		return errCut
	}
	return err
}

// Write sends p. It blocks while the session's or the stream's window is full.
// Its frames go past smux, which would take each through three goroutines and
// wait for it; smux's part of the work is the window of smux 2, kept here.
func (st *Stream) Write(p []byte) (int, error) { return st.send(p, false) }

// WriteCorked takes p to be sent with the next Write, Flush or CloseWrite. The
// caller sees to it that one comes.
func (st *Stream) WriteCorked(p []byte) (int, error) { return st.send(p, true) }

// Flush sends what is held back: the opening of the stream, and what was given to
// WriteCorked.
func (st *Stream) Flush() error { return st.session.conn.out.flush() }

func (st *Stream) send(p []byte, hold bool) (int, error) {
	written := 0
	for written < len(p) {
		n, err := st.sendSome(p[written:], hold)
		if err != nil {
			if reason := st.session.Err(); reason != nil {
				err = reason
			}
			return written, err
		}
		written += n
	}
	return written, nil
}

// sendSome sends what one write to the session takes of p.
func (st *Stream) sendSome(p []byte, hold bool) (int, error) {
	conn := st.session.conn
	size, most := st.session.cfg.FrameSize, copyBuffer
	if limit := conn.out.frameLimit(); limit < size {
		size, most = limit, limit
	}
	got, err := st.credit.take(min(len(p), most, maxFrames*size), st.Flush, st.closed, st.session.done)
	if err != nil {
		return 0, err
	}
	return conn.writeData(st.ID(), p[:got], size, hold)
}

// CloseWrite ends the outgoing direction; the other goes on. It must follow the
// last Write. The FIN goes past smux, whose own CloseWrite drops what has
// arrived and is unread when the peer's FIN comes.
func (st *Stream) CloseWrite() error {
	if st.wrote.Swap(true) {
		return nil
	}
	return st.session.conn.writeFIN(st.mux.ID())
}

// Close ends both directions. Unread bytes are dropped.
func (st *Stream) Close() error {
	st.once.Do(func() { close(st.closed) })
	err := st.mux.Close()
	st.session.release(st)
	return err
}

// Wrapped is the stream as its two ends see it: with QPP where that is on.
func (st *Stream) Wrapped() io.ReadWriteCloser {
	if st.session.wrap != nil {
		return st.session.wrap(st)
	}
	return st
}
