package mux

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/std/testkit"
)

// errEnough is the reason that tests pass to Close.
var errEnough = errors.New("enough")

// async runs f and sends its result.
func async[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// randomBytes returns reproducible bytes that do not repeat.
func randomBytes(size int) []byte {
	p := make([]byte, size)
	var seed [32]byte
	rand.NewChaCha8(seed).Read(p)
	return p
}

// testConfig is a configuration as the programs use it.
func testConfig(version int, client bool) Config {
	return Config{
		Client: client, Version: version, FrameSize: 8192,
		ReceiveBuffer: 4 << 20, StreamBuffer: 2 << 20, Segment: func() int { return 1400 },
		KeepAlive: 10 * time.Second, Patience: 30 * time.Second,
		Silence: func() time.Duration { return math.MaxInt64 }, // frames are the only signs of life
		Before:  func() {}, Resumed: func() {}, Released: func() {}, Greeted: func(Hello) {},
	}
}

// start starts a session that is closed at the end of the test.
func start(t testing.TB, conn net.Conn, cfg Config) *Session {
	s := New(conn, cfg)
	t.Cleanup(func() { s.Close(errEnough) })
	return s
}

// substrates are the connections over which whole sessions are tested.
var substrates = []struct {
	name string
	dial func(t testing.TB) (net.Conn, net.Conn)
}{
	{"pipe", func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() }},
	{"tcp", loopback},
}

func loopback(t testing.TB) (net.Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	accepted := async(func() net.Conn {
		c, _ := l.Accept()
		return c
	})
	dialed, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	return dialed, testkit.Within(t, "a connection", accepted)
}

// frame is a decoded frame.
type frame struct {
	command byte
	stream  uint32
	data    []byte
}

func (f frame) bytes(version int) []byte {
	h := newHeader(byte(version), f.command, len(f.data), f.stream)
	return append(h[:], f.data...)
}

// String shows the command, the stream's id and the size of the data.
func (f frame) String() string {
	name := [...]string{"SYN", "FIN", "PSH", "NOP", "UPD"}[f.command]
	if f.command == cmdPSH {
		return fmt.Sprintf("%s %d %d", name, f.stream, len(f.data))
	}
	return fmt.Sprintf("%s %d", name, f.stream)
}

// readFrame reads one frame of any command.
func readFrame(r io.Reader) (frame, error) {
	var h header
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	f := frame{command: h.command(), stream: h.stream(), data: make([]byte, h.size())}
	_, err := io.ReadFull(r, f.data)
	return f, err
}

// framesOf lists the frames in p.
func framesOf(t testing.TB, p []byte) string {
	t.Helper()
	var all []string
	for r := bytes.NewReader(p); r.Len() > 0; {
		f, err := readFrame(r)
		if err != nil {
			t.Fatalf("a write ends amid a frame: %v", err)
		}
		all = append(all, f.String())
	}
	return strings.Join(all, ", ")
}

// rawPeer is the other end of a session, which works frame by frame.
type rawPeer struct {
	net.Conn
	t       testing.TB
	version int
}

// withPeer starts a session over a pipe to a raw peer.
func withPeer(t testing.TB, cfg Config) (*Session, *rawPeer) {
	here, there := net.Pipe()
	t.Cleanup(func() { there.Close() })
	return start(t, here, cfg), &rawPeer{Conn: there, t: t, version: cfg.Version}
}

func (p *rawPeer) send(command byte, stream uint32, data []byte) {
	p.t.Helper()
	_, err := p.Write(frame{command, stream, data}.bytes(p.version))
	must(p.t, err)
}

// drop reads and discards frames until the connection ends.
func (p *rawPeer) drop() { _, _ = io.Copy(io.Discard, p) }

// startPair starts the sessions of a client and a server over a pipe.
func startPair(t testing.TB, forClient, forServer Config) (client, server *Session) {
	near, far := net.Pipe()
	return start(t, near, forClient), start(t, far, forServer)
}

// sink is a connection that keeps what is written, write by write, and has nothing to read
// until it is closed.
type sink struct {
	net.Conn
	gate   chan struct{} // if not nil, each write takes one token from it
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	writes [][]byte
}

func newSink() *sink { return &sink{closed: make(chan struct{})} }

func (k *sink) Read([]byte) (int, error) {
	<-k.closed
	return 0, io.EOF
}

func (k *sink) Write(p []byte) (int, error) {
	if k.gate != nil {
		select {
		case <-k.gate:
		case <-k.closed:
			return 0, net.ErrClosed
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes = append(k.writes, bytes.Clone(p))
	return len(p), nil
}

func (k *sink) Close() error {
	k.once.Do(func() { close(k.closed) })
	return nil
}

// written returns the writes since the last call.
func (k *sink) written() [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	writes := k.writes
	k.writes = nil
	return writes
}

// script is a connection that returns given bytes, cut into pieces, and then EOF. What is
// written to it is discarded.
type script struct {
	net.Conn
	bytes []byte
	cut   int // largest piece in bytes; 0: no limit
}

func (c *script) Read(p []byte) (int, error) {
	if len(c.bytes) == 0 {
		return 0, io.EOF
	}
	if c.cut > 0 {
		p = p[:min(len(p), c.cut)]
	}
	n := copy(p, c.bytes)
	c.bytes = c.bytes[n:]
	return n, nil
}

func (c *script) Write(p []byte) (int, error) { return len(p), nil }

func (c *script) WriteBuffers(v [][]byte) (int, error) { return sizeOf(v), nil }

func (c *script) Close() error { return nil }
