package listen

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"kcptun/std/address"
	"kcptun/std/config"
	"kcptun/std/testkit"
)

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	lis, err := Stream(path, 0)
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
	_, err = Stream(path, 0)
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
		lis, err := Stream(path, 0)
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
	if _, err := Stream(filepath.Join(dir, "no", "such"), 0); err == nil {
		t.Error("no directory, no error")
	}
	if _, err := Stream(filepath.Join(file, "s"), 0); err == nil {
		t.Error("a file is no directory")
	}
	if _, err := Stream(filepath.Join(dir, strings.Repeat("x", 200)), 0); err == nil {
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

// Two abstract names, each for one listener at a time; nothing is left behind.
func TestListenStreamAbstract(t *testing.T) {
	if !address.HasAbstract {
		t.Skip("no abstract names on " + runtime.GOOS)
	}
	t.Chdir(t.TempDir())
	name := "@kcptun-test-" + filepath.Base(t.TempDir())
	if len(name) > address.MaxUnixPath {
		t.Fatal(name)
	}
	for range 2 {
		lis, err := Stream(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("unix", name)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if _, err := Stream(name, 0); err == nil {
			t.Error("listens twice")
		}
		lis.Close()
	}
	if left, err := os.ReadDir("."); len(left) > 0 || err != nil {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func TestSocketMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes of files on Windows")
	}
	for text, want := range map[string]fs.FileMode{"0600": 0o600, "660": 0o660, "0o777": 0o777} {
		path := filepath.Join(t.TempDir(), "s")
		c := config.Default(config.Client)
		c.LocalAddr, c.SocketMode = path, text
		if err := c.Check(config.Client); err != nil {
			t.Fatal(err)
		}
		lis, err := Stream(c.LocalAddr, c.FileMode())
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s gives %v, want %v; %v", text, info.Mode(), want, err)
		}
		lis.Close()
		if exists(path) {
			t.Error("the socket stays after Close")
		}
	}
}

// The file must never be open to others, not even before its mode is changed: on
// Linux it is made with the mode of the socket.
func TestSocketModeFromTheStart(t *testing.T) {
	if !address.HasAbstract {
		t.Skip("only Linux makes the file with the socket's mode")
	}
	path := filepath.Join(t.TempDir(), "s")
	lc := net.ListenConfig{Control: restrict(0o600)}
	lis, err := lc.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^0o600 != 0 {
		t.Errorf("the file is made with %v; %v", info.Mode(), err)
	}
}
