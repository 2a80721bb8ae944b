package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/mux"
)

// asker is an application that has sent its question and its end, and waits for the answer.
type asker struct{ answer bytes.Buffer }

func (a *asker) Read([]byte) (int, error)    { return 0, io.EOF }
func (a *asker) Write(p []byte) (int, error) { return a.answer.Write(p) }
func (a *asker) CloseWrite() error           { return nil }
func (a *asker) Close() error                { return nil }

// An application has sent its end, and its answer cannot come for longer than closewait,
// because its session is full of what others do not read. It is not silent, and gets the
// answer when they have read. It used to get a proper end without the answer.
func TestStarvedStreamIsNotSilent(t *testing.T) {
	for _, version := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			p := newMemoryPair(version, &mux.Hello{Can: mux.CanGoodbye})
			defer p.end()
			near, far := p.open(t)
			other, size := fillUp(t, p)
			app, done := new(asker), make(chan Result, 1)
			go func() {
				_, _ = far.Write([]byte("the answer"))
				_ = far.CloseWrite()
			}()
			go func() { done <- Between(app, near, 10*time.Second) }()
			time.Sleep(time.Hour)
			if _, err := io.CopyN(io.Discard, other, int64(size)); err != nil {
				t.Fatal(err)
			}
			if got := <-done; got.ErrB != nil || app.answer.String() != "the answer" {
				t.Errorf("smux %d: %q, %+v", version, &app.answer, got)
			}
		})
	}
}

// A stream whose own reader has stopped, and fills the session, is given up after closewait,
// so that the others go on.
func TestReaderThatStarvesOthersIsGivenUp(t *testing.T) {
	for _, version := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			p := newMemoryPair(version, &mux.Hello{Can: mux.CanGoodbye})
			defer p.end()
			near, far := p.open(t)
			app := &flood{stop: make(chan struct{})} // it has nothing to send
			done := make(chan Result, 1)
			go func() { done <- Between(app, near, 10*time.Second) }()
			go func() { _, _ = far.Write(make([]byte, 4<<20)) }()
			synctest.Wait()
			other, otherFar := p.open(t)
			go func() { _, _ = otherFar.Write([]byte("more")) }()
			if _, err := io.ReadFull(other, make([]byte, 4)); err != nil {
				t.Error(err)
			}
			if got := <-done; !errors.Is(got.ErrB, errSilent) {
				t.Errorf("smux %d: %+v", version, got)
			}
		})
	}
}

// A stream is not silent while nothing at all is heard from the peer, as long as the session
// survives that.
func TestStreamOnADeadPathIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		cfg := muxConfig(2, nil)
		cfg.Silence = func() time.Duration { return time.Hour } // frames are the only signs of life
		s := mux.New(here, cfg)
		defer s.Close(errLost)
		go func() { _, _ = io.Copy(io.Discard, there) }()
		st, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		app, done := new(asker), make(chan Result, 1)
		go func() { done <- Between(app, st, 30*time.Second) }()
		time.Sleep(40 * time.Second) // the session ends after 45 s
		answer := append([]byte{2, 2, 10, 0, 3, 0, 0, 0}, "the answer"...)
		if _, err := there.Write(append(answer, 2, 1, 0, 0, 3, 0, 0, 0)); err != nil { // its FIN
			t.Fatal(err)
		}
		if got := <-done; got.ErrB != nil || app.answer.String() != "the answer" {
			t.Errorf("%q, %+v", &app.answer, got)
		}
	})
}

// A peer that is heard, and sends nothing on the stream, is silent.
func TestStreamOnALivePathIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newMemoryPair(2, &mux.Hello{Can: mux.CanGoodbye})
		defer p.end()
		near, _ := p.open(t)
		begun := time.Now()
		if got := Between(new(asker), near, 30*time.Second); !errors.Is(got.ErrB, errSilent) || time.Since(begun) != 30*time.Second {
			t.Errorf("after %v: %+v", time.Since(begun), got)
		}
	})
}
