//go:build !noqpp

package relay

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"kcptun/std/config"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"

	"github.com/xtaci/qpp"
)

func qppPair(t *testing.T) (near, far *QPPPort) {
	a, b := testkit.TCPPair(t)
	seed := []byte("a key")
	return NewQPPPort(testkit.Deadline(t, a), qpp.NewQPP(seed, 61), seed), NewQPPPort(testkit.Deadline(t, b), qpp.NewQPP(seed, 61), seed)
}

// Lengths that are not a multiple of eight, and longer than a buffer, in both directions.
// The caller's bytes stay unchanged.
func TestQPPPorts(t *testing.T) {
	near, far := qppPair(t)
	for _, way := range [][2]*QPPPort{{near, far}, {far, near}} {
		var want []byte
		wrote := make(chan error, 1)
		go func() {
			for i, n := range []int{0, 1, 7, 8, 9, 100, copyBuffer - 1, copyBuffer, copyBuffer + 1, 3*copyBuffer + 5} {
				data := testkit.RandomBytes(uint64(i), n)
				before := slices.Clone(data)
				n, err := way[0].Write(data)
				if err != nil || n != len(data) {
					wrote <- errors.Join(err, io.ErrShortWrite)
					return
				}
				if !bytes.Equal(data, before) {
					wrote <- errors.New("Write changed the caller's bytes")
					return
				}
			}
			wrote <- way[0].CloseWrite()
		}()
		for i, n := range []int{0, 1, 7, 8, 9, 100, copyBuffer - 1, copyBuffer, copyBuffer + 1, 3*copyBuffer + 5} {
			want = append(want, testkit.RandomBytes(uint64(i), n)...)
		}
		if got := testkit.Within(t, "all", testkit.Gather(way[1])); got != testkit.SumOf(want) {
			t.Errorf("%d bytes, want %d, %v", got.N, len(want), got.Err)
		}
		if err := testkit.Within(t, "Write", wrote); err != nil {
			t.Fatal(err)
		}
	}
	if near.Close() != nil || far.Close() != nil {
		t.Error("Close failed")
	}
}

// qppGolden is "quantum permutation pad!" with the key "a key" and 61 pads, encrypted by
// qpp v1.1.25. Every build since v1.1.23 gives the same output; older ones cannot talk to
// it. An update of the dependency must not change it.
const qppGolden = "1f34c827dc860b50dbe352761650709933576294149cb538"

func TestQPPGolden(t *testing.T) {
	var under testkit.Buffered
	p := NewPad(61, "a key").Wrap(&under)
	if _, err := io.WriteString(p, "quantum permutation pad!"); err != nil {
		t.Fatal(err)
	}
	if got := hexOf(under.Bytes()); got != qppGolden {
		t.Errorf("%s, want %s", got, qppGolden)
	}
}

func TestQPPAnotherKey(t *testing.T) {
	var under testkit.Buffered
	text := "quantum permutation pad!"
	if _, err := io.WriteString(NewPad(61, "a key").Wrap(&under), text); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(NewPad(61, "another key").Wrap(&under))
	if string(got) == text {
		t.Error("another key reads it")
	}
}

func TestQPPCloseWrite(t *testing.T) {
	var under testkit.Buffered
	if err := NewPad(7, "k").Wrap(&under).(*QPPPort).CloseWrite(); !errors.Is(err, errNoHalfClose) {
		t.Error(err)
	}
	a, b := net.Pipe()
	b.Close()
	seed := []byte("k")
	if n, err := NewQPPPort(a, qpp.NewQPP(seed, 7), seed).Write([]byte("x")); n != 0 || err == nil {
		t.Error(n, err)
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// Both directions over a session and its relays, where the stream's bytes are decrypted in
// place.
func TestQPPOverStreams(t *testing.T) {
	testkit.NoLeak(t)
	cc, sc := sessions.Config(config.Client), sessions.Config(config.Server)
	cc.QPP, sc.QPP = true, true
	u := sessions.NewPair(t, cc, sc)
	app, a := testkit.TCPPair(t)
	b, target := testkit.TCPPair(t)
	done := make(chan Result, 2)
	go func() { done <- Between(a, padFor(cc).Wrap(u.Near), 0) }()
	go func() { done <- Between(padFor(sc).Wrap(u.Far), b, 0) }()
	for _, way := range [][2]*net.TCPConn{{app, target}, {target, app}} {
		data := testkit.RandomBytes(5, 1_000_003)
		go func() { _, _ = way[0].Write(data); _ = way[0].CloseWrite() }()
		if got := testkit.Within(t, "all", testkit.Gather(testkit.Deadline(t, way[1]))); got != testkit.SumOf(data) {
			t.Errorf("%d bytes of %d, %v", got.N, len(data), got.Err)
		}
	}
	for range 2 {
		if got := testkit.Within(t, "the relays to end", done); got.ErrA != nil || got.ErrB != nil {
			t.Errorf("%+v", got)
		}
	}
	u.Close()
}

// writeOnly is a writer without other methods.
type writeOnly struct{ io.Writer }

func TestQPPWriteTo(t *testing.T) {
	seed, text := []byte("a key"), strings.Repeat("quantum permutation pad!", 10_000)
	pad := qpp.NewQPP(seed, 61)
	var sealed testkit.Buffered
	if _, err := io.WriteString(NewQPPPort(&sealed, pad, seed), text); err != nil {
		t.Fatal(err)
	}
	cut := [][]byte{bytes.Clone(sealed.Bytes()[:7]), bytes.Clone(sealed.Bytes()[7:70_000]), bytes.Clone(sealed.Bytes()[70_000:])}
	var got bytes.Buffer
	if n, err := NewQPPPort(&sealed, pad, seed).WriteTo(&got); n != int64(len(text)) || err != nil || got.String() != text {
		t.Errorf("%d bytes of %d, %v", n, len(text), err)
	}
	got.Reset()
	d := &decrypter{NewQPPPort(&sealed, pad, seed), writeOnly{&got}}
	if n, err := d.WriteBuffers(cut); n != len(text) || err != nil || got.String() != text {
		t.Errorf("several: %d bytes of %d, %v", n, len(text), err)
	}
}
