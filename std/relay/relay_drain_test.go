package relay

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/testkit"
)

// refusing is an end whose half-close fails, like that of a socket whose peer has reset it
// while some of the peer's bytes are still unread.
type refusing struct {
	net.Conn
}

var errNotConnected = errors.New("shutdown: transport endpoint is not connected")

func (refusing) CloseWrite() error { return errNotConnected }

// What an end has sent before it disappeared is delivered, although nothing more can be
// sent to it.
func TestRelayDrainsAfterFailedHalfClose(t *testing.T) {
	testkit.NoLeak(t)
	app, a := testkit.TCPPair(t)
	b, target := net.Pipe()
	done := make(chan Result, 1)
	go func() { done <- Between(a, refusing{b}, testkit.Patience) }()
	closeWrite(t, app)
	time.Sleep(20 * time.Millisecond) // the relay has tried to pass the EOF on
	send(t, testkit.Deadline(t, target), []byte("last words"))
	target.Close()
	if got, err := io.ReadAll(testkit.Deadline(t, app)); string(got) != "last words" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := testkit.Within(t, "the relay ends", done); !errors.Is(got.ErrA, errNotConnected) || got.FromB != 10 {
		t.Errorf("%+v", got)
	}
}

// A target answers without reading everything, and disappears. The answer is in the socket
// while writes to it fail.
func TestRelayDrainsAfterFailedWrite(t *testing.T) {
	testkit.NoLeak(t)
	app, a := testkit.TCPPair(t)
	b, target := testkit.TCPPair(t)
	answer := testkit.RandomBytes(1, 100_000)
	send(t, testkit.Deadline(t, target), answer)
	target.Close()
	held := &holding{Conn: b, hold: make(chan struct{})}
	done := make(chan Result, 1)
	go func() { done <- Between(a, held, testkit.Patience) }()
	send(t, app, []byte("a request, of which nothing is read"))
	testkit.Eventually(t, "the write has failed", func() bool { return held.failed.Load() })
	close(held.hold)
	if got := testkit.Within(t, "the answer", testkit.Gather(testkit.Deadline(t, app))); got != testkit.SumOf(answer) {
		t.Errorf("%d bytes of %d, %v", got.N, len(answer), got.Err)
	}
	if got := testkit.Within(t, "the relay ends", done); !errors.Is(got.ErrA, errNotConnected) || !got.FirstA {
		t.Errorf("%+v", got)
	}
}

// holding is an end whose writes fail and whose reads block.
type holding struct {
	net.Conn
	hold   chan struct{}
	failed atomic.Bool
}

func (h *holding) Write([]byte) (int, error) {
	defer h.failed.Store(true)
	return 0, errNotConnected
}

func (h *holding) Read(p []byte) (int, error) {
	<-h.hold
	return h.Conn.Read(p)
}

func (h *holding) Close() error { return h.Conn.Close() }
