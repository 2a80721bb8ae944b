// Package session owns a session: a KCP engine, snappy and the mux in one value with one
// owner; what the client speaks and what the peer says about itself; and the clock of an
// idle session. It makes the options of links and of the mux from the settings. It knows
// nothing about the programs or about what its streams carry.
package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/mux"
	"kcptun/std/quota"
	"kcptun/std/rescue"
)

// ErrLeft ends a server's session whose client has said goodbye.
var ErrLeft = errors.New("the client has closed it")

// ErrRetired is returned by Open if the session no longer takes new streams.
var ErrRetired = errors.New("session takes no new streams")

// Session is KCP, snappy and smux in one value with one owner, which closes it.
type Session struct {
	engine engine
	mux    *mux.Session
	link   *link.Conn
	peer   *link.Peer
	own    bool       // the link serves this session only
	path   *pathWatch // nil on a server
	usage  usage      // of its streams; in mode auto at a client
	smux   int        // version

	mu       sync.Mutex
	open     int // streams, including those being opened
	retired  bool
	idle     chan struct{} // closed when retired and out of streams
	retiring chan struct{} // closed when retired
	err      error         // why it ended
	done     chan struct{}
	once     sync.Once
}

// Maker makes sessions with the same settings. A program makes one Maker, because deriving
// keys and pads takes milliseconds.
type Maker struct {
	cfg    *config.Config
	autos  autos        // its engines of mode auto
	memory *quota.Bound // in mode auto

	// Panics makes a panic in a session end only that session. If nil, it ends the program.
	Panics *rescue.Net

	// Unreadable is called if the peer's hello shows that neither end can read the other's
	// streams. It may be nil, and must not block.
	Unreadable func(*Session, Difference)

	// Moved is called after a client's session has continued from another port because the
	// peer was silent for the given time. It may be nil.
	Moved func(s *Session, was net.Addr, silent time.Duration)
}

// New prepares to make sessions with the settings of cfg.
func New(cfg *config.Config) *Maker {
	s := &Maker{cfg: cfg}
	if cfg.Auto() {
		s.memory = memoryBound(cfg)
	}
	return s
}

// Client starts a session over a link, which then belongs to the session.
func (f *Maker) Client(l *link.Conn, conv uint32) (*Session, error) {
	e, err := f.newEngine(l, conv)
	if err != nil {
		return nil, err
	}
	d := dialect{compressed: !f.cfg.NoComp, version: f.cfg.SmuxVer}
	var conn net.Conn = e
	if d.compressed {
		conn = NewCompStream(e)
	}
	return f.start(e, l, l.Peer(), true, d, conn), nil
}

// Server starts a session for a conversation that a client has begun. It first waits for
// the client's first bytes, until ctx ends, in order to speak what the client speaks. It
// calls note with each setting in which the client differs.
func (f *Maker) Server(ctx context.Context, c *Conversation, note func(Difference)) (*Session, error) {
	stop := context.AfterFunc(ctx, func() { c.engine.Close() })
	theirs, conn, err := readDialect(c.engine)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Drop()
		return nil, ofKCP(err)
	}
	if theirs.compressed == f.cfg.NoComp {
		note(Difference{"nocomp", f.cfg.NoComp, !theirs.compressed})
	}
	if theirs.version != f.cfg.SmuxVer {
		note(Difference{"smuxver", f.cfg.SmuxVer, theirs.version})
	}
	s := f.start(c.engine, c.link, c.peer, false, theirs, conn)
	// Until it was tuned, kcp-go had a window of 32 packets. A client that filled it has
	// been told so, and would learn of the larger window only from its next probe.
	if err := s.mux.Nop(); err != nil {
		s.Close(err)
		return nil, err
	}
	return s, nil
}

// segment tells the number of stream bytes in a full KCP segment, of the size that is known
// to pass then.
func (f *Maker) segment(l *link.Conn, peer *link.Peer) func() int {
	return func() int {
		size := peer.Size()
		if size == 0 {
			size = f.cfg.MTU
		}
		return size - l.Overhead() - kcp.IKCP_OVERHEAD
	}
}

func (f *Maker) start(e engine, l *link.Conn, peer *link.Peer, own bool, sp dialect, conn net.Conn) *Session {
	s := &Session{
		engine: e, link: l, peer: peer, own: own, smux: sp.version,
		idle: make(chan struct{}), retiring: make(chan struct{}), done: make(chan struct{}),
	}
	mc := muxConfig(f.cfg)
	mc.Client, mc.Version, mc.Backlog = own, sp.version, e.backlog
	mc.Segment = f.segment(l, peer)
	mc.Memory, mc.Panics = f.memory, f.Panics
	if !own {
		mc.Confirmed = peer.Confirmed()
	}
	if f.cfg.FollowsBuffers() {
		mc.Window = e.window
	}
	mc.Silence, mc.Before, mc.Resumed, mc.Released = peer.Lifeless, peer.Wake, peer.Wake, s.released
	if own {
		s.path = newPathWatch(peer, e.timeout, mc.Patience)
		s.path.panics, s.path.end = f.Panics, s.Close
		if f.cfg.Auto() {
			s.usage.begin()
			mc.InUse = s.usage.seen
		}
		mc.Before = func() {
			peer.Wake()
			s.path.sending()
		}
		mc.Silence = func() time.Duration { // asked at each keepalive, also while nothing can be sent
			s.path.running()
			return peer.Lifeless()
		}
	}
	mc.Hello = helloOf(f.cfg)
	mc.Greeted = func(theirs mux.Hello) { f.greeted(s, theirs) }
	s.mux = mux.New(conn, mc)
	if own {
		s.path.onSilence(s.mux.Ask, func() { f.moveOn(s) })
	}
	e.begin(s.Close)
	return s
}

// Open opens a stream. It fails with ErrRetired after Retire. A session that has used up
// its stream ids retires itself.
func (s *Session) Open() (*mux.Stream, error) {
	st, err := s.OpenCorked()
	if err != nil {
		return nil, err
	}
	if err := st.Flush(); err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

// OpenCorked is like Open, but the peer learns of the stream only with its first Write or
// Flush, which the caller must perform: the first bytes travel with the opening.
func (s *Session) OpenCorked() (*mux.Stream, error) {
	s.mu.Lock()
	if s.retired {
		s.mu.Unlock()
		return nil, ErrRetired
	}
	s.open++
	s.mu.Unlock()
	m, err := s.mux.Open()
	if err != nil {
		s.released()
		if errors.Is(err, mux.ErrExhausted) {
			s.Retire() // its streams continue
			return nil, ErrRetired
		}
		return nil, s.explain(err)
	}
	return m, nil
}

// Accept waits for the peer to open a stream. Its error tells why the session has ended.
func (s *Session) Accept() (*mux.Stream, error) {
	m, err := s.mux.Accept()
	if err != nil {
		return nil, s.explain(err)
	}
	s.mu.Lock()
	s.open++
	s.mu.Unlock()
	return m, nil
}

// released is called when a stream has been closed or could not be opened.
func (s *Session) released() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.signalIdle()
}

func (s *Session) signalIdle() {
	if s.retired && s.open == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// Retire stops the session from taking new streams. Idle is closed when the last stream has
// ended.
func (s *Session) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.retired {
		s.retired = true
		close(s.retiring)
	}
	s.signalIdle()
}

// Idle is closed when the session is retired and has no streams left.
func (s *Session) Idle() <-chan struct{} { return s.idle }

// NumStreams is the number of open streams.
func (s *Session) NumStreams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Drain waits until the peer has acknowledged everything sent, or until ctx ends.
func (s *Session) Drain(ctx context.Context) error {
	if err := s.mux.Drain(ctx); err != nil { // the engine knows only what the mux has passed on
		return err
	}
	return s.engine.drain(ctx)
}

// Close closes the session and all its streams. The first reason given is kept.
// It is idempotent.
func (s *Session) Close(reason error) {
	s.once.Do(func() {
		s.mu.Lock()
		s.err = reason
		s.mu.Unlock()
		close(s.done)
		if s.path != nil {
			s.path.close()
		}
		s.acknowledge()
		s.link.Forget(s.peer) // first, or kcp-go would start a new session when another packet arrives
		s.mux.Close(reason)   // closes the engine too, through the layers in between
		if s.own {
			s.link.Close()
		}
	})
}

// Done is closed when the session has been closed.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err is the reason given to Close; nil until then.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// RemoteAddr is the peer's address.
func (s *Session) RemoteAddr() net.Addr { return s.peer.Addr() }

// LocalAddr is the local address of the socket.
func (s *Session) LocalAddr() net.Addr { return s.link.LocalAddr() }

// Conv is the KCP conversation id.
func (s *Session) Conv() uint32 { return s.engine.Conv() }

// explain rewords the error of a dead session so that it names the probable cause.
func (s *Session) explain(err error) error {
	if reason := s.Err(); reason != nil {
		return reason
	}
	if why := s.peer.Failure(); why != nil {
		return why
	}
	switch {
	case s.peer.IsForgotten():
		return errors.New("the server does not know this session: it was restarted, or has given the session up, as an older one does if smuxver or nocomp differ")
	case errors.Is(err, mux.ErrProtocol):
		return fmt.Errorf("the peer does not speak smux %d here: is smuxver or nocomp different at the other end?", s.smux)
	case errors.Is(err, snappy.ErrCorrupt):
		return errors.New("the peer's bytes are not compressed by snappy: is nocomp different at the other end?")
	case errors.Is(err, mux.ErrGoodbye):
		if s.own {
			return errors.New("the server has closed it")
		}
		return ErrLeft
	case errors.Is(err, mux.ErrSilent):
		return s.silence()
	}
	return ofKCP(err)
}

// ofKCP rewords errors of kcp-go, which carry a stack trace that would be logged.
func ofKCP(err error) error {
	switch {
	case errors.Is(err, net.ErrClosed):
		return errors.New("the link was closed")
	case errors.Is(err, io.ErrClosedPipe):
		return errors.New("it made room for other sessions, as its peer had acknowledged nothing")
	}
	return err
}

// silence is the reason given when the mux's keepalive has given up on the peer.
func (s *Session) silence() error {
	silence, heard := s.peer.Silence()
	if !heard {
		return errors.New("the peer never answered: are address, port, key and crypt right, and does a firewall let UDP through?")
	}
	return fmt.Errorf("nothing heard from the peer for %v", silence.Round(time.Second))
}
