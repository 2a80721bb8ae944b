package relay

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/mux"
)

// flood is an end that always has something to send and reads nothing.
type flood struct {
	plenty
	stop chan struct{} // closed when a write ends
}

func (f *flood) Write([]byte) (int, error) {
	<-f.stop
	return 0, io.ErrClosedPipe
}

func (f *flood) Close() error {
	if !f.closed.Swap(true) {
		close(f.stop)
	}
	return nil
}

// Both ends send and neither reads, so that nothing moves. When one of them dies, which only
// the write to it notices, the other is told. The relays used to wait for each other's room
// for ever. (With smux 1 a session in which nothing moves receives nothing, and is not told.)
func TestDeadEndAmidFullDirections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newMemoryPair(2, &mux.Hello{Can: mux.CanGoodbye})
		defer p.end()
		near, far := p.open(t)
		app := &flood{plenty{left: 64 << 20}, make(chan struct{})}
		target := &flood{plenty{left: 64 << 20}, make(chan struct{})}
		defer target.Close()
		defer app.Close()
		atClient, atServer := make(chan Result, 1), make(chan Result, 1)
		go func() { atClient <- Between(app, near, 0) }()
		go func() { atServer <- Between(far, target, 0) }()
		time.Sleep(time.Hour)
		if len(atClient)+len(atServer) > 0 {
			t.Fatal("a relay has ended")
		}
		app.Close() // its write fails, and its read does not
		time.Sleep(lastWords + time.Minute)
		if len(atClient) == 0 || len(atServer) == 0 {
			t.Fatalf("%d relays wait", 2-len(atClient)-len(atServer))
		}
		if got := <-atServer; !errors.Is(got.ErrB, mux.ErrGone) || !target.closed.Load() {
			t.Errorf("%+v", got)
		}
	})
}
