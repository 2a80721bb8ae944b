package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"kcptun/std/testkit"

	"github.com/golang/snappy"
)

// said is a connection of which the peer said data and no more.
type said struct {
	net.Conn
	io.Reader
}

func (s said) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func compressed(parts ...string) []byte {
	var b bytes.Buffer
	w := snappy.NewBufferedWriter(&b)
	for _, p := range parts {
		_, _ = io.WriteString(w, p)
		w.Flush()
	}
	return b.Bytes()
}

func TestListenFor(t *testing.T) {
	const one, two = "\x01\x00\x00\x00\x03\x00\x00\x00", "\x02\x00\x00\x00\x03\x00\x00\x00"
	for _, tt := range []struct {
		wire []byte
		want dialect
		rest string
	}{
		{[]byte(one), dialect{false, 1}, one},
		{[]byte(two + "more"), dialect{false, 2}, two + "more"},
		{compressed(one), dialect{true, 1}, one},
		{compressed(two, "more"), dialect{true, 2}, two + "more"},
	} {
		d, conn, err := readDialect(said{Reader: bytes.NewReader(tt.wire)})
		if err != nil || d != tt.want {
			t.Errorf("%x: %+v, %v", tt.wire, d, err)
			continue
		}
		if got, err := io.ReadAll(conn); string(got) != tt.rest || err != nil {
			t.Errorf("%x: then %q, %v", tt.wire, got, err)
		}
	}
}

func TestListenForRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		wire []byte
		want string
	}{
		"silence":          {nil, "EOF"},
		"http":             {[]byte("GET / HTTP/1.0"), "0x47 is neither snappy's nor smux's"},
		"smux 0":           {[]byte{0, 0, 0, 0}, "0x00"},
		"smux 3":           {[]byte{3, 0, 0, 0}, "0x03"},
		"only the magic":   {snappyHead, "EOF"},
		"half the magic":   {snappyHead[:5], "snappy"},
		"not snappy":       {[]byte("\xff\xff\xff\xff what is this"), "snappy"},
		"something inside": {compressed("GET /"), "0x47"},
	} {
		_, conn, err := readDialect(said{Reader: bytes.NewReader(tt.wire)})
		if err == nil || conn != nil {
			t.Errorf("%s: taken", name)
			continue
		}
		testkit.Contains(t, err.Error(), tt.want)
	}
}

// What is written past listenFor arrives whole, in the client's dialect.
func TestListenForWrites(t *testing.T) {
	for _, wire := range [][]byte{[]byte("\x02......."), compressed("\x02.......")} {
		under := new(recorded)
		d, conn, err := readDialect(said{Conn: under, Reader: bytes.NewReader(wire)})
		if err != nil {
			t.Fatal(err)
		}
		n, err := conn.Write([]byte("headbody"))
		if err != nil || n != 8 || len(under.writes) != 1 {
			t.Fatalf("%d, %v, %d writes", n, err, len(under.writes))
		}
		got := under.writes[0]
		if d.compressed {
			got, err = io.ReadAll(snappy.NewReader(bytes.NewReader(got)))
		}
		if string(got) != "headbody" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// A client that says nothing holds the server until the context ends, but no longer.
func TestListenForEndsWithContext(t *testing.T) {
	testkit.NoLeak(t)
	a, b := net.Pipe()
	defer b.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer context.AfterFunc(ctx, func() { a.Close() })()
	done := make(chan error, 1)
	go func() { _, _, err := readDialect(a); done <- err }()
	cancel()
	if err := testkit.Within(t, "listenFor ends", done); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func FuzzListenFor(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x03\x00\x00\x00"))
	f.Add(compressed("\x02\x00\x00\x00\x03\x00\x00\x00"))
	f.Add(compressed("", "\x02", "x"))
	f.Add([]byte("GET / HTTP/1.0\r\n"))
	f.Add(snappyHead)
	f.Add(append(bytes.Clone(snappyHead), 0xfe, 3, 0, 0, 1, 2, 3))
	f.Fuzz(func(t *testing.T, wire []byte) {
		d, conn, err := readDialect(said{Reader: bytes.NewReader(wire)})
		if err != nil {
			return
		}
		want := wire
		if d.compressed {
			want, _ = io.ReadAll(snappy.NewReader(bytes.NewReader(wire)))
		}
		got, _ := io.ReadAll(conn)
		if !bytes.Equal(got, want) || d.version != int(want[0]) || d.version != 1 && d.version != 2 {
			t.Errorf("%x: %+v, then %x, want %x", wire, d, got, want)
		}
	})
}
