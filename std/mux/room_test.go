package mux

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a session whose connection accepts nothing, with a stream and with as much data
// waiting as may wait.
func stuck(t *testing.T, version int) (*Session, *sink) {
	conn := newSink()
	conn.gate = make(chan struct{})
	s := start(t, conn, testConfig(version, true))
	st, err := s.Open()
	must(t, err)
	go func() { _, _ = st.Write(make([]byte, 100)) }()
	synctest.Wait()
	for range gatherBytes / headerBytes {
		s.post(cmdNOP, 0, false)
	}
	return s, conn
}

// CloseWrite used to wait for the connection. A relay that passed an EOF on then blocked,
// and noticed neither the end of the other direction nor its own time limit.
func TestCloseWriteDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := stuck(t, 1)
		done := async(newStream(s, 5).CloseWrite)
		synctest.Wait()
		if err := ended(done); err != nil {
			t.Error("while the connection takes nothing:", err)
		}
		close(conn.gate)
		synctest.Wait()
		var sent []byte
		for _, w := range conn.written() {
			sent = append(sent, w...)
		}
		if last := framesOf(t, sent[len(sent)-headerBytes:]); last != "FIN 5" {
			t.Error("the last that was sent:", last)
		}
		s.Close(errEnough)
	})
}

// A stream's Write and AwaitRoom end when the stream is closed, or when the peer has closed
// it, even if they wait for other streams and not for the peer. They used to end only with
// the session.
func TestEndOfWaitForRoom(t *testing.T) {
	t.Run("closed", func(t *testing.T) { testEndOfWait(t, func(st *Stream) { st.Close() }, io.ErrClosedPipe) })
	t.Run("canceled", func(t *testing.T) { testEndOfWait(t, (*Stream).Cancel, io.ErrClosedPipe) })
	t.Run("closed by the peer", func(t *testing.T) { testEndOfWait(t, (*Stream).refuse, ErrGone) })
}

func testEndOfWait(t *testing.T, end func(*Stream), want error) {
	for name, wait := range map[string]func(*Stream) error{
		"Write": func(st *Stream) error { _, err := st.Write(make([]byte, 5000)); return err },
		"AwaitRoom": func(st *Stream) error {
			n, err := st.AwaitRoom(5000)
			if err == nil {
				_, err = st.Write(make([]byte, n))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, conn := stuck(t, 2)
				var waits [3]<-chan error
				var streams [3]*Stream
				for i := range streams {
					streams[i] = newStream(s, uint32(101+2*i))
					waits[i] = async(func() error { return wait(streams[i]) })
					synctest.Wait()
				}
				end(streams[1])
				synctest.Wait()
				if err := ended(waits[1]); err != want {
					t.Errorf("the stream that has ended: %v, want %v", err, want)
				}
				for _, i := range []int{0, 2} {
					if err := ended(waits[i]); err != errWaits {
						t.Errorf("stream %d, while nothing moves: %v", i, err)
					}
				}
				close(conn.gate)
				synctest.Wait()
				for _, i := range []int{0, 2} {
					if err := ended(waits[i]); err != nil {
						t.Errorf("stream %d: %v", i, err)
					}
				}
				s.Close(errEnough)
			})
		})
	}
}

// A session whose connection takes nothing can reset all the streams that it may have.
func TestResetOfAllStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := stuck(t, 1)
		for i := range uint32(maxStreams) {
			must(t, newStream(s, 101+2*i).Reset())
		}
		if err := endOf(s); err != nil {
			t.Error(err)
		}
		s.Close(errEnough)
	})
}

var errWaits = errors.New("still waits")

// ended returns the result of a call that was blocked, or errWaits.
func ended(c <-chan error) error {
	select {
	case err := <-c:
		return err
	default:
		return errWaits
	}
}

// Room is how many bytes may be read ahead.
func TestRoom(t *testing.T) {
	for _, c := range []struct {
		name                   string
		version                int
		sent, consumed, window uint32
		want                   int
	}{
		{"smux 1 has no windows", 1, 1 << 30, 0, 0, maxData},
		{"the first window", 2, 0, 0, firstWindow, maxData},
		{"its rest", 2, firstWindow - 100, 0, firstWindow, 100},
		{"none", 2, firstWindow, 0, firstWindow, 0},
		{"a window that has shrunk", 2, 5000, 1000, 3000, 0},
		{"modulo 2^32", 2, 10, 1<<32 - 10, 30, 10},
		{"consumed more than was sent", 2, 10, 20, 1 << 20, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, newSink(), testConfig(c.version, true))
			s.out.begun = gentleBytes
			st := newStream(s, 3)
			st.sent, st.consumedByPeer, st.window = c.sent, c.consumed, c.window
			if got := st.Room(); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
			if c.want > 0 {
				if got, err := st.AwaitRoom(1 << 20); got != c.want || err != nil {
					t.Errorf("AwaitRoom: %d, %v", got, err)
				}
			}
			must(t, st.CloseWrite())
			if got := st.Room(); got != 0 {
				t.Errorf("%d after CloseWrite", got)
			}
			if _, err := st.AwaitRoom(1); err != io.ErrClosedPipe {
				t.Errorf("AwaitRoom after CloseWrite: %v", err)
			}
		})
	}
}

// Drain waits until the connection has accepted what was written, or until the context
// ends.
func TestDrainWaitsForTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := stuck(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Drain(ctx); err != context.DeadlineExceeded {
			t.Error("while the connection takes nothing:", err)
		}
		must(t, newStream(s, 5).Close())
		close(conn.gate)
		must(t, s.Drain(t.Context()))
		var sent []byte
		for _, w := range conn.written() {
			sent = append(sent, w...)
		}
		if last := framesOf(t, sent[len(sent)-2*headerBytes:]); last != "FIN 5, NOP 5" {
			t.Error("the last that was sent:", last)
		}
		s.Close(errEnough)
		must(t, s.Drain(t.Context()))
	})
}

// A stream that was given room but may no longer write, because the peer has closed it,
// lets the next one go on. Everyone used to wait until the session had something else to
// send.
func TestRoomIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := stuck(t, 2)
		var streams [5]*Stream
		var waits [5]<-chan error
		for i := range streams {
			streams[i] = newStream(s, uint32(101+2*i))
			waits[i] = async(func() error { _, err := streams[i].AwaitRoom(5000); return err })
			synctest.Wait()
		}
		close(conn.gate)
		synctest.Wait()
		for i, st := range streams { // nothing goes on by itself any more
			if err := ended(waits[i]); err != nil {
				t.Fatalf("stream %d: %v", i, err)
			}
			st.refuse()
			if _, err := st.Write(make([]byte, 5000)); err != ErrGone {
				t.Error("Write:", err)
			}
			synctest.Wait()
		}
		s.Close(errEnough)
	})
}
