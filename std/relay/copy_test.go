package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kcptun/std/testkit"
)

// plainReader and plainWriter have only their own methods.
type (
	plainReader struct{ io.Reader }
	plainWriter struct{ io.Writer }
)

// told records which of its methods Copy has used.
type told struct {
	testkit.Buffered
	by string
}

func (w *told) WriteTo(dst io.Writer) (int64, error) {
	w.by += "WriteTo "
	n, err := w.Buffer.WriteTo(dst)
	return n, errors.Join(err, io.EOF) // as smux does
}

func (w *told) ReadFrom(src io.Reader) (int64, error) {
	w.by += "ReadFrom "
	return w.Buffer.ReadFrom(src)
}

func TestCopyPrefers(t *testing.T) {
	text := strings.Repeat("text", 20_000)
	for _, tt := range []struct {
		src, dst bool // src has WriteTo, dst has ReadFrom
		want     string
	}{{true, true, "WriteTo "}, {true, false, "WriteTo "}, {false, true, "ReadFrom "}, {false, false, ""}} {
		from, to := new(told), new(told)
		from.WriteString(text)
		var src io.Reader = from
		var dst io.Writer = to
		if !tt.src {
			src = plainReader{from}
		}
		if !tt.dst {
			dst = plainWriter{to}
		}
		n, err := Copy(dst, src)
		if n != int64(len(text)) || err != nil || to.String() != text || !strings.HasPrefix(from.by+to.by, tt.want) || tt.want == "" && from.by+to.by != "" {
			t.Errorf("%+v: %d, %v, by %q", tt, n, err, from.by+to.by)
		}
	}
}

func TestCopyErrors(t *testing.T) {
	a, b := net.Pipe()
	b.Close()
	if _, err := Copy(a, strings.NewReader("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	a.Close()
	if _, err := Copy(new(bytes.Buffer), plainReader{a}); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// uncorked is a corker that holds nothing back.
type uncorked struct{ io.Writer }

func (u uncorked) WriteCorked(p []byte) (int, error) { return u.Write(p) }
func (u uncorked) Flush() error                      { return nil }
func (u uncorked) Room() int                         { return copyBuffer }
func (u uncorked) AwaitRoom(size int) (int, error)   { return size, nil }

// A socket is read until EOF, and its errors are passed on.
func TestTransferFromSocket(t *testing.T) {
	for name, pair := range map[string]func() (net.Conn, net.Conn){
		"tcp":  func() (net.Conn, net.Conn) { a, b := testkit.TCPPair(t); return a, b },
		"unix": func() (net.Conn, net.Conn) { return testkit.UnixPair(t) },
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			a, b := pair()
			data := testkit.RandomBytes(4, 1<<20)
			go func() { _, _ = a.Write(data); a.Close() }()
			var got bytes.Buffer
			if err := transfer(uncorked{&got}, testkit.Deadline(t, b)); err != nil || !bytes.Equal(got.Bytes(), data) {
				t.Error(got.Len(), err)
			}
			b.Close()
			if err := transfer(uncorked{&got}, b); !errors.Is(err, net.ErrClosed) {
				t.Error("closed here:", err)
			}
			_, d := pair()
			if err := d.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := transfer(uncorked{&got}, d); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("deadline:", err)
			}
		})
	}
	a, b := testkit.TCPPair(t)
	send(t, a, []byte("x"))
	c, d := net.Pipe()
	d.Close()
	if err := transfer(uncorked{c}, b); !errors.Is(err, io.ErrClosedPipe) {
		t.Error("error of the writer:", err)
	}
}

// Closing a socket ends a read that waits for its bytes.
func TestTransferIsWoken(t *testing.T) {
	testkit.NoLeak(t)
	_, b := testkit.TCPPair(t)
	done := make(chan error, 1)
	go func() { done <- transfer(uncorked{io.Discard}, b) }()
	b.Close()
	if err := testkit.Within(t, "transfer ends", done); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// sizes is a reader that records the sizes of the buffers it is given, and returns as many
// bytes as its steps say. It never waits.
type sizes struct {
	steps []int
	given []int
}

func (s *sizes) Read(p []byte) (int, error) {
	s.given = append(s.given, len(p))
	if len(s.steps) == 0 {
		return 0, io.EOF
	}
	n := min(s.steps[0], len(p))
	if s.steps[0] -= n; s.steps[0] == 0 {
		s.steps = s.steps[1:]
		if len(s.steps) == 0 {
			return n, io.EOF // together with the last bytes
		}
	}
	return n, nil
}

// A source that needs a buffer to wait gets a small one.
func TestGrowingReader(t *testing.T) {
	for _, c := range []struct {
		name        string
		steps, want []int
	}{
		{"little by little", []int{1, 100, smallBuffer - 1}, []int{smallBuffer, smallBuffer, smallBuffer}},
		{"much at once", []int{smallBuffer + copyBuffer + 5, 1}, []int{smallBuffer, copyBuffer, copyBuffer, smallBuffer}},
		{"nothing", nil, []int{smallBuffer}},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := &sizes{steps: slices.Clone(c.steps)}
			var got bytes.Buffer
			if err := transfer(uncorked{&got}, src); err != nil {
				t.Error(err)
			}
			want := 0
			for _, n := range c.steps {
				want += n
			}
			if got.Len() != want || !slices.Equal(src.given, c.want) {
				t.Errorf("%d bytes of %d, by buffers of %d, want %d", got.Len(), want, src.given, c.want)
			}
		})
	}
}
