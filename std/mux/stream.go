package mux

import (
	"io"
	"net"
	"sync"
	"time"
)

const (
	// firstWindow is how many bytes an end of smux 2 may send before the other end has told
	// it a window.
	firstWindow = 256 << 10
	// firstUpdate is how many bytes are read before the first window update is sent. Most
	// streams end before they need one, and firstWindow leaves plenty of time.
	firstUpdate = firstWindow / 16
	// At most maxFrames frames, with at most maxData bytes of data in all, are written at
	// once.
	maxFrames = 16
	maxData   = 64 << 10
	// maxWrite is maxData plus the headers of its frames.
	maxWrite = maxData + maxFrames*headerBytes
)

// Stream is one stream of a session. One goroutine may read, another may write, and any may
// close it.
type Stream struct {
	session *Session
	id      uint32

	mu       sync.Mutex
	changed  sync.Cond
	unread   blocks
	finished bool // the peer's FIN has arrived
	closed   bool
	gone     bool          // the peer reads no more
	reset    bool          // the peer has cut its direction: what it sent is incomplete
	deaf     bool          // we read no more
	told     bool          // the peer knows that
	over     chan struct{} // see Ended; nil: nobody has asked
	finSent  bool          // our FIN was sent or is about to be
	canceled bool          // see Cancel
	waiter   waiter
	usage    usage

	in window
	// For smux 2: the bytes sent, those that the peer's application has consumed, and how
	// many may be sent beyond those consumed.
	sent, consumedByPeer, window uint32
}

func newStream(s *Session, id uint32) *Stream {
	st := &Stream{session: s, id: id, usage: neverUsed, window: firstWindow, in: window{told: firstWindow, promise: firstWindow, idle: true, touched: true}}
	st.changed.L = &st.mu
	return st
}

// ID is the stream's id.
func (st *Stream) ID() uint32 { return st.id }

// wake makes blocked callers check the state of the stream again, because the session has
// ended.
func (st *Stream) wake() {
	st.mu.Lock()
	st.changed.Broadcast()
	st.tellEnd()
	st.mu.Unlock()
}

// deliver adds received data: a copy of small, or b itself.
func (st *Stream) deliver(small []byte, b *block) {
	if s := st.session; s.cfg.InUse != nil && st.usage.arrived(time.Duration(s.heard.Load())) {
		s.cfg.InUse()
	}
	st.session.windowComputed(st.enqueue(small, b))
}

// enqueue does that with the lock held. Even a panic releases the lock, because the end of
// the session needs it.
func (st *Stream) enqueue(small []byte, b *block) (ok, sweep bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	size, memory := len(small), 0
	if b != nil {
		size = len(b.bytes)
	}
	if st.closed || st.deaf || size == 0 {
		b.freeAll()
		return true, false
	}
	if b != nil {
		memory = st.unread.add(b)
	} else {
		memory = st.unread.append(small)
	}
	st.session.hold(memory)
	st.changed.Broadcast()
	return st.received(size, memory)
}

// Finished reports whether the peer has finished its direction. Some of its data may still
// be unread.
func (st *Stream) Finished() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.finished
}

// readable waits until there is something to read; st.mu is held. Its error says why there
// will be nothing more. EOF always means the peer's FIN, which did not follow a reset.
func (st *Stream) readable() error {
	for {
		switch {
		case st.closed || st.deaf:
			return net.ErrClosed
		case st.unread.first != nil:
			return nil
		case st.reset:
			return ErrReset
		case st.finished:
			return io.EOF
		}
		if err := st.session.cut(); err != nil {
			return err
		}
		st.changed.Wait()
	}
}

// Read reads what the peer sent.
func (st *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	st.mu.Lock()
	if err := st.readable(); err != nil {
		st.mu.Unlock()
		return 0, err
	}
	n, memory := st.unread.read(p)
	st.mu.Unlock()
	st.consumed(n, memory)
	return n, nil
}

// WriteTo writes everything that the peer sends to w, without copying it. If w is a
// BuffersWriter, it gets several blocks at once. The bytes belong to w until its Write
// returns, and it may change them in place. EOF is not an error.
func (st *Stream) WriteTo(w io.Writer) (int64, error) {
	var total int64
	many, _ := w.(BuffersWriter)
	for {
		st.mu.Lock()
		err := st.readable()
		var b *block
		if err == nil {
			b = st.unread.pop(many != nil)
		}
		st.mu.Unlock()
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		}
		size, memory := b.size()
		n, err := writeBlocks(w, many, b)
		total += int64(n)
		b.freeAll()
		st.consumed(size, memory)
		if err != nil {
			return total, err
		}
	}
}

// maxBlocks is how many blocks are written at once.
const maxBlocks = 16

var blockVectors = sync.Pool{New: func() any { return new([maxBlocks][]byte) }}

// writeBlocks writes a chain of blocks. The chain may be longer than one only if many is
// not nil.
func writeBlocks(w io.Writer, many BuffersWriter, b *block) (int, error) {
	if b.next == nil {
		return w.Write(b.bytes[b.off:])
	}
	vec := blockVectors.Get().(*[maxBlocks][]byte)
	defer blockVectors.Put(vec)
	v := vec[:0]
	for ; b != nil; b = b.next {
		v = append(v, b.bytes[b.off:])
	}
	defer clear(v)
	return many.WriteBuffers(v)
}

// consumed accounts for bytes that were read, and for the memory that held them.
func (st *Stream) consumed(n, memory int) {
	s := st.session
	s.freed(memory)
	if s.cfg.Version != 2 {
		return
	}
	st.mu.Lock()
	ok, sweep := st.read(n, memory)
	st.mu.Unlock()
	s.windowComputed(ok, sweep)
}

// grant applies a window update of the peer.
func (st *Stream) grant(consumed, window uint32) {
	st.mu.Lock()
	st.consumedByPeer, st.window = consumed, window
	st.changed.Broadcast()
	st.mu.Unlock()
}

// Write sends p. It blocks while the window of the session or of the stream is full.
func (st *Stream) Write(p []byte) (int, error) { return st.send(p, false) }

// WriteCorked accepts p but may hold it back until the next Write, Flush or CloseWrite,
// which the caller must make.
func (st *Stream) WriteCorked(p []byte) (int, error) { return st.send(p, true) }

// Flush sends what is held back: the SYN of the stream, and the data given to WriteCorked.
func (st *Stream) Flush() error { return st.explain(st.session.out.flush()) }

func (st *Stream) send(p []byte, hold bool) (int, error) {
	written := 0
	for written < len(p) {
		frame, most := st.session.out.share()
		size := min(frame, st.session.cfg.FrameSize)
		n, err := st.credit(min(len(p)-written, most, maxFrames*size))
		if err != nil {
			st.session.out.pass(&st.waiter) // it may have been the turn of this one
			return written, err
		}
		if err := st.writeData(p[written:written+n], size, hold); err != nil {
			return written, st.explain(err)
		}
		written += n
	}
	return written, nil
}

// explain replaces an error by the reason given to the session's Close, if there is one.
func (st *Stream) explain(err error) error {
	if reason := st.session.reason.Load(); err != nil && reason != nil {
		return *reason
	}
	return err
}

// vector holds the headers and buffers of one write.
type vector struct {
	headers [maxFrames]header
	v       [2 * maxFrames][]byte
}

var vectors = sync.Pool{New: func() any { return new(vector) }}

// writeData writes at most maxFrames frames of at most size bytes each.
func (st *Stream) writeData(data []byte, size int, hold bool) error {
	s := st.session
	f := vectors.Get().(*vector)
	v := f.v[:0]
	for i := 0; len(data) > 0; i++ {
		part := data[:min(size, len(data))]
		data = data[len(part):]
		f.headers[i] = newHeader(byte(s.cfg.Version), cmdPSH, len(part), st.id)
		v = append(v, f.headers[i][:], part)
	}
	err := s.out.write(v, hold, &st.waiter)
	clear(v)
	vectors.Put(f)
	return err
}

// LastStarved is when the stream's session was last unable to receive anything for any
// stream, by clock.Now. Until then the peer cannot be blamed for its silence.
func (st *Stream) LastStarved() time.Duration { return st.session.lastStarved() }
