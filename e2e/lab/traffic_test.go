package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func testTarget(t *testing.T, addr string) *Target {
	t.Helper()
	noLeaks(t)
	target, err := StartTarget(addr)
	must(t, err)
	t.Cleanup(func() { target.Close() })
	return target
}

// TestTraffic runs every call over TCP and over a unix socket.
func TestTraffic(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", filepath.Join(t.TempDir(), "s")} {
		t.Run(network(addr), func(t *testing.T) {
			target := testTarget(t, addr)
			ctx, dial := deadline(t), DialTo(target.Addr())
			for _, n := range []int64{0, 1, blockSize - 1, blockSize, 3<<20 + 17} {
				var told int64
				res, err := Pull(ctx, dial, n, func(done int64) { told = done })
				must(t, err)
				checkResult(t, "pull", res, n, told)
				told = 0
				res, err = Push(ctx, dial, n, func(done int64) { told = done })
				must(t, err)
				checkResult(t, "push", res, n, told)
			}
			res, err := HalfClose(ctx, dial, 100_000, 200_000)
			must(t, err)
			checkResult(t, "half-close", res, 200_000, 200_000)
			res, err = PullSlow(ctx, dial, 4*slowChunk, nil)
			must(t, err)
			if res.Duration < 4*slowPause {
				t.Errorf("a slow pull took %v", res.Duration)
			}
			times, err := Echo(ctx, dial, 10, 64)
			must(t, err)
			if len(times) != 10 {
				t.Errorf("%d echoes", len(times))
			}
			must(t, target.WaitIdle(ctx))
			if target.Accepted() != 13 {
				t.Errorf("%d connections accepted, want 13", target.Accepted())
			}
		})
	}
}

// The second half of a held transfer arrives only after its release.
func TestPullHeld(t *testing.T) {
	target := testTarget(t, "127.0.0.1:0")
	ctx := deadline(t)
	released := false
	for _, n := range []int64{2, 3, 300_000} {
		released = false
		_, err := PullHeld(ctx, DialTo(target.Addr()), n, func(done int64) {
			if done > n/2 && !released {
				t.Errorf("%d of %d bytes came before the release", done, n)
			}
			if done == n/2 {
				released = true
				target.Release()
			}
		})
		must(t, err)
	}
}

func checkResult(t *testing.T, what string, res Result, n, told int64) {
	t.Helper()
	if res.Bytes != n || told != n || n > 0 && (res.Duration <= 0 || res.First <= 0 || res.Rate() <= 0) {
		t.Errorf("%s of %d bytes: %+v, told %d", what, n, res, told)
	}
}

func TestFiles(t *testing.T) {
	target := testTarget(t, "127.0.0.1:0")
	ctx, dial := deadline(t), DialTo(target.Addr())
	if _, err := Fetch(ctx, dial, io.Discard, nil); err != nil {
		t.Errorf("a target without a file ends the connection: %v", err)
	}
	data := make([]byte, 300_000)
	newData(5).Read(data)
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, data, 0o600))
	target.ServeFile(path)

	var got bytes.Buffer
	res, err := Fetch(ctx, dial, &got, nil)
	must(t, err)
	if want := sha256.Sum256(data); res.Sum != want || !bytes.Equal(got.Bytes(), data) {
		t.Error("the file arrived changed")
	}
	for _, n := range []int64{-1, 300_000} {
		res, err = PushFrom(ctx, dial, bytes.NewReader(data), n, nil)
		must(t, err)
		if res.Bytes != 300_000 || res.Sum != sha256.Sum256(data) {
			t.Errorf("pushed %+v", res)
		}
	}
	if n := target.Received(); n != 600_000 {
		t.Errorf("the target counts %d bytes received, want 600000", n)
	}
	if _, err = PushFrom(ctx, dial, bytes.NewReader(data), 300_001, nil); err == nil {
		t.Error("a source that is too short was accepted")
	}
}

// TestDataDoesNotDependOnReads: the ends may read the same data in pieces of different
// sizes.
func TestDataDoesNotDependOnReads(t *testing.T) {
	whole, pieces := make([]byte, 10_000), make([]byte, 0, 10_000)
	newData(1).Read(whole)
	for src, n := newData(1), 1; len(pieces) < 10_000; n = n*3%101 + 1 {
		b := make([]byte, min(n, 10_000-len(pieces)))
		src.Read(b)
		pieces = append(pieces, b...)
	}
	if !bytes.Equal(whole, pieces) {
		t.Error("the data depends on the sizes of the reads")
	}
}

// spoil changes what passes through a connection.
type spoil struct {
	net.Conn
	read func(n int, b []byte) int // sees each read of n bytes and returns its new length
}

func (s spoil) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	return s.read(n, b), err
}

// TestTrafficNotices: a changed byte, a missing end and silence are errors.
func TestTrafficNotices(t *testing.T) {
	target := testTarget(t, "127.0.0.1:0")
	flip := func(n int, b []byte) int {
		if n > 0 {
			b[n-1] ^= 1
		}
		return n
	}
	through := func(read func(int, []byte) int) Dial {
		return func(ctx context.Context) (net.Conn, error) {
			conn, err := DialTo(target.Addr())(ctx)
			return spoil{conn, read}, err
		}
	}
	ctx := deadline(t)
	_, err := Pull(ctx, through(flip), 1000, nil)
	wantError(t, err, "wrong data at offset 999")
	_, err = Push(ctx, through(flip), 1000, nil)
	wantError(t, err, "wrong data at the target")
	_, err = Echo(ctx, through(flip), 1, 64)
	wantError(t, err, "came back changed")
	_, err = HalfClose(ctx, through(func(n int, _ []byte) int { return n }), 10, 10)
	wantError(t, err, "cannot be closed one way")
	_, err = Pull(ctx, through(func(n int, _ []byte) int { return max(n-1, 0) }), 1000, nil)
	wantError(t, err, "wrong data", "after 999 of 1000 bytes: unexpected EOF")

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = PullSlow(short, DialTo(target.Addr()), 1<<30, nil)
	wantError(t, err, context.DeadlineExceeded.Error())
}

func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err != nil && strings.Contains(err.Error(), text) {
			return
		}
	}
	t.Errorf("error %v, want one with %q", err, texts)
}

func TestTargetCloseEndsConnections(t *testing.T) {
	target := testTarget(t, "127.0.0.1:0")
	ctx := deadline(t)
	conn, err := DialTo(target.Addr())(ctx)
	must(t, err)
	defer conn.Close()
	_, err = conn.Write(header(opEcho, 0))
	must(t, err)
	must(t, WaitFor(ctx, "the connection", func() bool { return target.Open() == 1 }))
	must(t, target.Close())
	must(t, target.Close())
	if target.Open() != 0 {
		t.Errorf("%d connections open after close", target.Open())
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlived its target")
	}
}
