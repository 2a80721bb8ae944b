package std

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/std/testkit"
)

func TestListenStreamTCP(t *testing.T) {
	lis, err := ListenStream("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	if _, err := ListenStream(lis.Addr().String()); err == nil {
		t.Error("listens twice")
	}
}

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	lis, err := ListenStream(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lis.Close() })
	return lis
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

func TestListenStreamUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	lis := listenUnix(t, path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	far, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if got := AddrText(far.RemoteAddr()); got != "unix" {
		t.Errorf("a client's address is %q", got)
	}
	_, err = ListenStream(path)
	if err == nil {
		t.Fatal("took a socket in use")
	}
	testkit.Contains(t, err.Error(), path, "in use")
	lis.Close()
	if exists(path) {
		t.Error("the socket stays after Close")
	}
}

func TestListenStreamReplacesStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	killed.SetUnlinkOnClose(false)
	killed.Close()
	if !exists(path) {
		t.Fatal("no stale socket")
	}
	listenUnix(t, path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestListenStreamLeavesOthersAlone(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, dir, link} {
		lis, err := ListenStream(path)
		if err == nil {
			lis.Close()
			t.Errorf("%s was replaced", path)
			continue
		}
		testkit.Contains(t, err.Error(), path, "not a socket", "left alone")
	}
	if text, err := os.ReadFile(file); string(text) != "precious" {
		t.Error(string(text), err)
	}
	if _, err := ListenStream(filepath.Join(dir, "no", "such")); err == nil {
		t.Error("no directory, no error")
	}
	if _, err := ListenStream(filepath.Join(file, "s")); err == nil {
		t.Error("a file is no directory")
	}
	if _, err := ListenStream(filepath.Join(dir, strings.Repeat("x", 200))); err == nil {
		t.Error("longer than a socket's path can be")
	}
}

func TestListenerLeavesSuccessorAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	lis := listenUnix(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// The file system may have given the file the number that the socket had.
	lis.(*unixListener).own, _ = os.Lstat(os.DevNull)
	lis.Close()
	if !exists(path) {
		t.Error("Close removed a file that is not its own")
	}
}

// Both ends of run close the listener; the second Close comes seconds later, when
// the next run may already listen there, on a socket with the same number.
func TestListenerClosedTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	lis := listenUnix(t, path)
	lis.Close()
	listenUnix(t, path)
	lis.(*unixListener).own, _ = os.Lstat(path)
	if err := lis.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if !exists(path) {
		t.Error("a second Close removed the socket of the next run")
	}
}

// flaky is a listener that fails at each Accept until it may not.
type flaky struct {
	net.Listener
	mu       sync.Mutex
	failures int
	calls    int
}

var errTooManyFiles = errors.New("accept: too many open files")

func (f *flaky) Accept() (net.Conn, error) {
	f.mu.Lock()
	f.calls++
	fails := f.failures > 0
	f.failures--
	f.mu.Unlock()
	if fails {
		return nil, errTooManyFiles
	}
	return f.Listener.Accept()
}

func TestAcceptLoop(t *testing.T) {
	testkit.NoLeak(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis := &flaky{Listener: inner, failures: 5}
	log, book := testkit.NewLog()
	conns, done := make(chan net.Conn, 2), make(chan error, 1)
	go func() {
		done <- AcceptLoop(context.Background(), lis, log, func(c net.Conn) { conns <- c })
	}()
	for range 2 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		testkit.Within(t, "accepted", conns).Close()
	}
	inner.Close()
	if err := testkit.Within(t, "AcceptLoop ends with the listener", done); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	testkit.Contains(t, book.String(), "too many open files", "going on")
	if n := strings.Count(book.String(), "\n"); n != 1 {
		t.Errorf("%d lines for one trouble:\n%s", n, book)
	}
}

func TestAcceptLoopEndsWithContext(t *testing.T) {
	testkit.NoLeak(t)
	log, _ := testkit.NewLog()
	lis := &flaky{failures: 1 << 30}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	begun := time.Now()
	go func() { done <- AcceptLoop(ctx, lis, log, func(net.Conn) {}) }()
	testkit.Eventually(t, "a few failures", func() bool { lis.mu.Lock(); defer lis.mu.Unlock(); return lis.calls >= 4 })
	cancel()
	if err := testkit.Within(t, "AcceptLoop ends with the context", done); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	// 5, 10, 20 ms between the first four: it waits and does not spin.
	if took := time.Since(begun); took < 35*time.Millisecond {
		t.Errorf("four failures in %v", took)
	}
}

func TestAddrText(t *testing.T) {
	for want, addr := range map[string]net.Addr{
		"1.2.3.4:5": &net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5},
		"/run/s":    &net.UnixAddr{Name: "/run/s", Net: "unix"},
	} {
		if got := AddrText(addr); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, addr := range []net.Addr{nil, &net.UnixAddr{Net: "unix"}, &net.UnixAddr{Name: "@", Net: "unix"}} {
		if got := AddrText(addr); got != "unix" {
			t.Errorf("%v is %q", addr, got)
		}
	}
}
