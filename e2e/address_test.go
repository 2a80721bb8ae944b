package e2e_test

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// socketPath returns a path for a unix socket. Such a path may have about 100 bytes, which
// a test's own folder with its long name might exceed.
func socketPath(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("unix sockets are not tested on Windows")
	}
	dir, err := os.MkdirTemp("", "e2e-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func TestUnixSockets(t *testing.T) {
	t.Parallel()
	target, local := startTarget(t, socketPath(t)), socketPath(t)
	tn := start(t, plan{target: target.Addr(), local: local})
	tn.exchange(t, 2*mib)
	_, err := lab.HalfClose(patient(t), tn.dial, 256*kib, 256*kib)
	must(t, err)
	must(t, target.WaitIdle(patient(t)))
	tn.client.stop(t)
	if _, err := os.Lstat(local); !os.IsNotExist(err) {
		t.Errorf("the client's socket file is still there after its end: %v", err)
	}
}

// Abstract names work at both ends, and work again in the next run.
func TestAbstractSockets(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has abstract names of unix sockets")
	}
	t.Parallel()
	name := fmt.Sprintf("@kcptun-e2e-%d-", os.Getpid())
	target := startTarget(t, name+"target")
	p := plan{target: target.Addr(), local: name + "local"}
	tn := start(t, p)
	tn.exchange(t, 2*mib)
	must(t, target.WaitIdle(patient(t)))
	tn.client.kill(t)
	tn.client, tn.dial = startClient(t, tn.remote, p)
	tn.exchange(t, 64*kib)
}

// The socket file has the requested mode.
func TestSocketMode(t *testing.T) {
	t.Parallel()
	local := socketPath(t)
	tn := start(t, plan{local: local, client: []string{"--socketmode", "0600"}})
	tn.exchange(t, 64*kib)
	info, err := os.Stat(local)
	must(t, err)
	if info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket's file has the mode %v", info.Mode())
	}
}

// A socket file left by a killed client is replaced.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	p := plan{local: socketPath(t)}
	tn := start(t, p)
	tn.exchange(t, 64*kib)
	must(t, tn.target.WaitIdle(patient(t)))
	tn.client.kill(t)
	if info, err := os.Lstat(p.local); err != nil || info.Mode()&fs.ModeSocket == 0 {
		t.Fatalf("the killed client left no socket: %v", err)
	}
	tn.client, tn.dial = startClient(t, tn.remote, p)
	tn.exchange(t, 64*kib)
	t.Run("in use", func(t *testing.T) {
		second := launch(t, "second client", programs.Client, nil, p.flags(nil, "-l", p.local, "-r", tn.remote))
		second.mustExit(t, 1)
		second.mustLog(t, "is in use")
	})
	tn.exchange(t, 64*kib)
}

// Any other file at the path is not touched.
func TestFileAtSocketPath(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	must(t, os.WriteFile(path, []byte("precious"), 0o640))
	before, err := os.Lstat(path)
	must(t, err)
	p := launch(t, "client", programs.Client, nil, plan{}.flags(nil, "-l", path, "-r", freeAddr(t)))
	p.mustExit(t, 1)
	p.mustLog(t, "is not a socket")
	after, err := os.Lstat(path)
	must(t, err)
	text, err := os.ReadFile(path)
	must(t, err)
	if string(text) != "precious" || !os.SameFile(before, after) || before.Mode() != after.Mode() || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the file was touched: %v, %q; was %v", after, text, before)
	}
}

func needIPv6(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	conn.Close()
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	needIPv6(t)
	target := startTarget(t, "[::1]:0")
	tn := start(t, plan{target: target.Addr(), listen: fmt.Sprintf("[::1]:%d", freePorts(t, 1)), local: "[::1]:0"})
	tn.exchange(t, 2*mib)
	if to := field(t, tn.client.mustLog(t, "session opened"), "to"); to != tn.remote {
		t.Errorf("the session goes to %s, want %s", to, tn.remote)
	}
	must(t, target.WaitIdle(patient(t)))
}

// A server address without a host listens for both address families.
func TestDualStack(t *testing.T) {
	t.Parallel()
	needIPv6(t)
	port := freePorts(t, 1)
	tn := start(t, plan{listen: fmt.Sprintf(":%d", port), noClient: true})
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		tn.remote = fmt.Sprintf("%s:%d", host, port)
		tn.client, tn.dial = startClient(t, tn.remote, plan{})
		tn.exchange(t, mib)
	}
	opened := tn.server.lines("session opened")
	if len(opened) != 2 || !strings.Contains(opened[0], "from=127.0.0.1:") || !strings.Contains(opened[1], "from=[::1]:") {
		t.Errorf("the server's sessions are %q", opened)
	}
}

// If the name does not resolve, the connection is closed after ten seconds and the log
// gives the reason. The client goes on and accepts the next connection.
func TestNameThatDoesNotResolve(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	client, dial := startClient(t, "nosuchhost.invalid:4000", plan{})
	conn, err := dial(patient(t))
	must(t, err)
	defer conn.Close()
	begun := time.Now()
	must(t, conn.SetReadDeadline(begun.Add(patience)))
	if n, err := io.Copy(io.Discard, conn); n > 0 || os.IsTimeout(err) {
		t.Fatalf("got %d bytes, %v; want the connection closed", n, err)
	}
	if took := time.Since(begun); took < 5*time.Second {
		t.Errorf("the connection was closed after %v, want about 10 s: the name may come to resolve", took)
	}
	client.mustLog(t, "nosuchhost.invalid")
	client.mustLog(t, "connection closed without a stream")
	again, err := dial(patient(t))
	must(t, err)
	again.Close()
}
