//go:build unix

package relay

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"

	"kcptun/std/testkit"
)

// narrow is a sink that accepts only what it is told to.
type narrow struct {
	bytes.Buffer
	room  int
	grant chan int // results of AwaitRoom; closed: errNotConnected
	asked chan int // arguments of AwaitRoom
	over  int      // bytes that were written without room
}

func (w *narrow) Write(p []byte) (int, error) {
	w.over += max(len(p)-w.room, 0)
	w.room = max(w.room-len(p), 0)
	return w.Buffer.Write(p)
}

func (w *narrow) WriteCorked(p []byte) (int, error) { return w.Write(p) }
func (w *narrow) Flush() error                      { return nil }
func (w *narrow) Room() int                         { return w.room }

func (w *narrow) AwaitRoom(size int) (int, error) {
	w.asked <- size
	room, ok := <-w.grant
	if !ok {
		return 0, errNotConnected
	}
	w.room = room
	return room, nil
}

func newNarrow() *narrow { return &narrow{grant: make(chan int), asked: make(chan int, 1)} }

// Data for which there is no room stays in the socket. No buffer is held in the meantime,
// and no more is read than may be written.
func TestSocketReaderWaitsForRoom(t *testing.T) {
	app, a := testkit.TCPPair(t)
	w := newNarrow()
	data := testkit.RandomBytes(1, 100_000)
	go func() { _, _ = app.Write(data); app.Close() }()
	r, err := newSocketReader(testkit.Deadline(t, a), w)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for {
			buf, n, err := r.read(true)
			if err != nil {
				done <- err
				return
			}
			_, _ = w.Write(buf.bytes()[:n])
			buf.free()
		}
	}()
	for i := 0; ; i++ {
		select {
		case size := <-w.asked:
			if size < 1 || size > smallBuffer || r.buf != nil {
				t.Fatalf("asked for %d bytes with buffer %p in hand", size, r.buf)
			}
			w.grant <- []int{1, 100, smallBuffer, copyBuffer}[i%4]
			continue
		case err = <-done:
		}
		break
	}
	if !errors.Is(err, io.EOF) || !bytes.Equal(w.Bytes(), data) || w.over > 0 {
		t.Errorf("%d bytes of %d, %d of them without room: %v", w.Len(), len(data), w.over, err)
	}
}

// While there is no room and nothing to read, EOF, a reset and the closing of the socket
// are noticed nevertheless.
func TestSocketReaderNoticesTheEnd(t *testing.T) {
	for name, want := range map[string]error{"end": io.EOF, "reset": syscall.ECONNRESET} {
		t.Run(name, func(t *testing.T) {
			app, a := testkit.TCPPair(t)
			r, err := newSocketReader(testkit.Deadline(t, a), newNarrow())
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.read(false); err != errNothingYet {
				t.Error("before:", err)
			}
			done := make(chan error, 1)
			go func() {
				_, _, err := r.read(true)
				done <- err
			}()
			if want != io.EOF {
				_ = app.SetLinger(0)
			}
			app.Close()
			if err := testkit.Within(t, "the end", done); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
}

// A writer's error that appears while waiting for room ends the transfer like an error of
// writing.
func TestTransferWithoutRoom(t *testing.T) {
	app, a := testkit.TCPPair(t)
	send(t, app, []byte("x"))
	w := newNarrow()
	close(w.grant)
	if err := transfer(w, testkit.Deadline(t, a)); !errors.Is(err, errNotConnected) {
		t.Error(err)
	}
}
