package session

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"kcptun/std/testkit"

	"github.com/golang/snappy"
)

// snappyHead is how a stream of snappy's framing format begins.
var snappyHead = []byte{0xff, 0x06, 0x00, 0x00, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59}

// recorded notes each Write to a connection.
type recorded struct {
	net.Conn
	writes [][]byte
}

func (r *recorded) Write(p []byte) (int, error) {
	r.writes = append(r.writes, bytes.Clone(p))
	return len(p), nil
}

// One body over both substrates, in both directions.
func TestCompStream(t *testing.T) {
	for name, pair := range map[string]func() (net.Conn, net.Conn){
		"pipe": func() (net.Conn, net.Conn) { a, b := net.Pipe(); return a, b },
		"tcp":  func() (net.Conn, net.Conn) { a, b := testkit.TCPPair(t); return a, b },
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			a, b := pair()
			near, far := NewCompStream(testkit.Deadline(t, a)), NewCompStream(testkit.Deadline(t, b))
			defer near.Close()
			defer far.Close()
			for _, data := range [][]byte{[]byte("x"), bytes.Repeat([]byte("abc"), 100_000), testkit.RandomBytes(1, 200_000), []byte("last")} {
				for _, way := range [][2]*CompStream{{near, far}, {far, near}} {
					wrote := make(chan error, 1)
					go func() {
						n, err := way[0].Write(data)
						if n != len(data) {
							err = errors.Join(err, io.ErrShortWrite)
						}
						wrote <- err
					}()
					got := make([]byte, len(data))
					if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, data) {
						t.Fatalf("%d bytes came out wrong: %v", len(data), err)
					}
					if err := testkit.Within(t, "Write", wrote); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// What we write, snappy reads; each Write of ours is one Write below.
func TestCompStreamOnTheWire(t *testing.T) {
	under := new(recorded)
	c := NewCompStream(under)
	big := testkit.RandomBytes(2, 100_000) // two chunks, not compressible
	if n, err := c.Write([]byte("hello")); n != 5 || err != nil {
		t.Error(n, err)
	}
	if n, err := c.WriteBuffers([][]byte{[]byte("head"), big, []byte("tail")}); n != 8+len(big) || err != nil {
		t.Error(n, err)
	}
	if len(under.writes) != 2 {
		t.Errorf("%d writes on the wire, want 2", len(under.writes))
	}
	wire := bytes.Join(under.writes, nil)
	if !bytes.HasPrefix(wire, snappyHead) || bytes.Count(wire, snappyHead) != 1 {
		t.Errorf("begins with %x", wire[:10])
	}
	got, err := io.ReadAll(snappy.NewReader(bytes.NewReader(wire)))
	if want := "hellohead" + string(big) + "tail"; err != nil || string(got) != want {
		t.Errorf("snappy reads %d bytes, %v", len(got), err)
	}
}

// What snappy writes, however it is cut, we read.
func TestCompStreamReadsSnappy(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	want := append(bytes.Repeat([]byte("abc"), 30_000), testkit.RandomBytes(3, 70_000)...)
	go func() {
		w := snappy.NewBufferedWriter(b)
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+len(rest)/3)
			_, _ = w.Write(rest[:n])
			w.Flush()
			rest = rest[n:]
		}
		w.Close()
		b.Close()
	}()
	if got := testkit.Within(t, "all", testkit.Gather(NewCompStream(testkit.Deadline(t, a)))); got != testkit.SumOf(want) {
		t.Errorf("%d bytes, want %d, %v", got.N, len(want), got.Err)
	}
}

func TestCompStreamRefusesOthers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	go func() { _, _ = b.Write([]byte("\x02\x00\x00\x00\x03\x00\x00\x00 and more")); b.Close() }()
	if _, err := NewCompStream(testkit.Deadline(t, a)).Read(make([]byte, 9)); !errors.Is(err, snappy.ErrCorrupt) {
		t.Error(err)
	}
}

func TestCompStreamWriteError(t *testing.T) {
	a, b := net.Pipe()
	b.Close()
	if n, err := NewCompStream(a).Write([]byte("x")); n != 0 || err == nil {
		t.Error(n, err)
	}
}
