package relay

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/mux"
	"kcptun/std/testkit"
)

// plenty is an end that always has something to send, until it has sent everything.
type plenty struct {
	left   int
	closed atomic.Bool
}

func (p *plenty) Read(b []byte) (int, error) {
	n := min(p.left, len(b))
	if p.left -= n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (p *plenty) Write(b []byte) (int, error) { return len(b), nil }
func (p *plenty) CloseWrite() error           { return nil }
func (p *plenty) Close() error                { p.closed.Store(true); return nil }

// memoryPair is a session in memory.
type memoryPair struct{ client, server *mux.Session }

// muxConfig are the settings of a client whose connection lives.
func muxConfig(version int, hello *mux.Hello) mux.Config {
	return mux.Config{
		Client: true, Version: version, FrameSize: 8192, Hello: hello,
		ReceiveBuffer: 512 << 10, StreamBuffer: 64 << 10, Segment: func() int { return 1400 },
		KeepAlive: 10 * time.Second, Patience: 30 * time.Second,
		Silence: func() time.Duration { return 0 },
		Before:  func() {}, Resumed: func() {}, Released: func() {}, Greeted: func(mux.Hello) {},
	}
}

// newMemoryPair opens a session. If hello is nil, the client is a stock peer.
func newMemoryPair(version int, hello *mux.Hello) memoryPair {
	a, b := net.Pipe()
	cfg := muxConfig(version, hello)
	client := mux.New(a, cfg)
	cfg.Client, cfg.Hello = false, &mux.Hello{Can: mux.CanGoodbye}
	return memoryPair{client, mux.New(b, cfg)}
}

// open opens a stream, on which the client has asked for something.
func (p memoryPair) open(t *testing.T) (near, far *mux.Stream) {
	t.Helper()
	near, err := p.client.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := near.Write([]byte("get")); err != nil {
		t.Fatal(err)
	}
	if far, err = p.server.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func (p memoryPair) end() {
	p.client.Close(errLost)
	p.server.Close(errLost)
}

// The application has sent its request and its end, and pauses for longer than closewait,
// or than a relay without one waits. If its peer is one of ours, which would tell if the
// application were gone, it gets the whole answer. It used to get a part and a proper end.
// A stock peer would not tell, so that wait stays bounded.
func TestReaderThatPausesGetsAll(t *testing.T) {
	const size, quiet = 4 << 20, 10 * time.Second
	ours := &mux.Hello{Can: mux.CanGoodbye}
	for _, c := range []struct {
		name  string
		hello *mux.Hello
		quiet time.Duration
		want  error
	}{
		{"ours", ours, quiet, nil},
		{"ours without closewait", ours, 0, nil},
		{"stock", nil, quiet, errSilent},
		{"stock without closewait", nil, 0, errAbandoned},
	} {
		for _, version := range []int{1, 2} {
			t.Run(c.name+map[int]string{1: ", smux 1", 2: ", smux 2"}[version], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newMemoryPair(version, c.hello)
					defer p.end()
					near, far := p.open(t)
					done := make(chan Result, 1)
					go func() { done <- Between(far, &plenty{left: size}, c.quiet) }()
					if err := near.CloseWrite(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Hour)
					n, err := io.Copy(io.Discard, near)
					if got := <-done; !errors.Is(got.ErrB, c.want) || c.want == nil && (n != size || err != nil) {
						t.Errorf("%d bytes of %d, %v; the relay ended with %+v", n, size, err, got)
					}
				})
			})
		}
	}
}

// A peer of ours whose application leaves ends the wait.
func TestReaderThatPausesAndLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newMemoryPair(2, &mux.Hello{Can: mux.CanGoodbye})
		defer p.end()
		near, far := p.open(t)
		done := make(chan Result, 1)
		target := &plenty{left: 4 << 20}
		go func() { done <- Between(far, target, time.Second) }()
		if err := near.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		near.Close()
		if got := <-done; !errors.Is(got.ErrB, mux.ErrGone) || !target.closed.Load() {
			t.Errorf("%+v", got)
		}
	})
}

// lingering is an end in memory that notes whether it was told to reset.
type lingering struct {
	halfPipe
	reset atomic.Bool
}

func (l *lingering) SetLinger(int) error { l.reset.Store(true); return nil }

// A target finishes at once, and then pauses in the middle of an upload. If it is given up
// for that, it is reset: it must not take what it has for complete. It used to see a proper
// end, which is for one whose source has become silent.
func TestSlowSinkIsReset(t *testing.T) {
	for _, slow := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			app, a := newHalfPipes()
			b, target := newHalfPipes()
			sink := &lingering{halfPipe: b}
			done := make(chan Result, 1)
			go func() { done <- Between(a, sink, 10*time.Second) }()
			if err := target.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if slow {
				go func() { _, _ = app.Write([]byte("an upload")) }()
			}
			if got := <-done; !errors.Is(got.ErrA, errSilent) || sink.reset.Load() != slow {
				t.Errorf("the sink is slow: %t; it was reset: %t; %+v", slow, sink.reset.Load(), got)
			}
		})
	}
}

// chunk is a source that brings a megabyte in a single write, as a stream may.
type chunk struct{ plenty }

func (c *chunk) WriteTo(w io.Writer) (int64, error) {
	v := make([][]byte, 16)
	for i := range v {
		v[i] = make([]byte, 64<<10)
	}
	n, err := w.(mux.BuffersWriter).WriteBuffers(v)
	return int64(n), err
}

// A reader that is slow but never silent gets all, although a single write to its socket
// lasts for longer than the limit. It used to be cut.
func TestSlowReaderIsNotSilent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not say what a socket has sent")
	}
	testkit.NoLeak(t)
	const limit = 2 * time.Second
	app, conn := testkit.TCPPair(t)
	if err := errors.Join(app.SetReadBuffer(64<<10), conn.SetWriteBuffer(64<<10)); err != nil {
		t.Fatal(err)
	}
	closeWrite(t, app)
	done := make(chan Result, 1)
	lim := limits{quiet: limit, write: abandoned, last: limit}
	go func() { done <- relay(&chunk{}, conn, lim, newGoroutine, nil) }()
	n := 0
	for begun := time.Now(); time.Since(begun) < limit*3/2; time.Sleep(20 * time.Millisecond) {
		k, err := app.Read(make([]byte, 4<<10))
		if n += k; err != nil {
			t.Fatal(n, err)
		}
	}
	rest := testkit.Within(t, "the rest", testkit.Gather(app))
	if n += int(rest.N); n != 1<<20 || rest.Err != nil {
		t.Errorf("%d bytes of %d, %v", n, 1<<20, rest.Err)
	}
	if got := testkit.Within(t, "the relay ends", done); got.ErrA != nil || got.ErrB != nil {
		t.Errorf("%+v", got)
	}
}
