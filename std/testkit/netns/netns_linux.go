package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Lab is two network namespaces with a wire between them, w0. The server's has two
// addresses of each family. The namespaces end with the test.
type Lab struct {
	T              testing.TB
	Server, Client string // names of the namespaces
}

// The addresses of the lab.
const (
	Server4, Other4, Client4 = "192.0.2.1", "192.0.2.2", "192.0.2.11"
	Server6, Other6, Client6 = "2001:db8::1", "2001:db8::2", "2001:db8::11"
)

// New skips the test if this machine does not allow it, or lacks ip or another of the
// programs.
func New(t testing.TB, programs ...string) *Lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces take root")
	}
	for _, program := range append(programs, "ip") {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	id := os.Getpid()
	l := &Lab{T: t, Server: fmt.Sprintf("labs%d", id), Client: fmt.Sprintf("labc%d", id)}
	if out, err := exec.Command("ip", "netns", "add", l.Server).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %v: %s", err, out)
	}
	t.Cleanup(func() { l.Run("ip netns del " + l.Server) })
	l.Run("ip netns add " + l.Client)
	t.Cleanup(func() { l.Run("ip netns del " + l.Client) })
	for _, ns := range []string{l.Server, l.Client} {
		l.Run("ip -n " + ns + " link set lo up")
	}
	l.Wire("w0", []string{Server4 + "/24", Other4 + "/24", Server6 + "/64", Other6 + "/64"},
		[]string{Client4 + "/24", Client6 + "/64"})
	return l
}

// Wire lays a wire between the namespaces, with addresses at its ends that can be used at
// once.
func (l *Lab) Wire(name string, server, client []string) {
	l.T.Helper()
	l.Run("ip link add " + name + " netns " + l.Server + " type veth peer name " + name + " netns " + l.Client)
	for ns, addrs := range map[string][]string{l.Server: server, l.Client: client} {
		l.Run("ip -n " + ns + " link set " + name + " up")
		for _, a := range addrs {
			l.Run("ip -n " + ns + " addr add " + a + " dev " + name + " nodad")
		}
	}
}

// As is the lab for a subtest.
func (l *Lab) As(t testing.TB) *Lab { return &Lab{T: t, Server: l.Server, Client: l.Client} }

// Run runs a command, which must succeed, and returns what it prints.
func (l *Lab) Run(line string) string {
	l.T.Helper()
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		l.T.Errorf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// In runs f in a namespace. Sockets stay in the namespace where they were made.
func (l *Lab) In(ns string, f func() error) (err error) {
	OnThread(func() {
		file, e := os.Open("/run/netns/" + ns)
		if err = e; err != nil {
			return
		}
		err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		file.Close()
		if err == nil {
			err = f()
		}
	})
	return err
}

// Close calls c in a namespace, where the firewall rules of --tcp are.
func (l *Lab) Close(ns string, c func() error) {
	if err := l.In(ns, c); err != nil && !errors.Is(err, net.ErrClosed) {
		l.T.Error(err)
	}
}

// OnThread runs f on a thread of its own that ends with f, so what f changes about the
// thread (rights, network namespace) affects nothing else. It is never the main thread,
// which represents the whole process in /proc/net.
func OnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			OnThread(f) // while this goroutine holds the main thread
			return
		}
		f() // the thread ends with the goroutine
	}()
	<-done
}
