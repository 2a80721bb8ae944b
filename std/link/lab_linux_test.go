package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// lab is two network namespaces with a wire between them, w0. The server's has
// two addresses of each family. They are gone with the test.
type lab struct {
	t              testing.TB
	server, client string // names of the namespaces
}

const (
	labServer4, labOther4, labClient4 = "192.0.2.1", "192.0.2.2", "192.0.2.11"
	labServer6, labOther6, labClient6 = "2001:db8::1", "2001:db8::2", "2001:db8::11"
)

// newLab skips the test where it cannot be: without root, or without ip or
// another of the programs.
func newLab(t testing.TB, programs ...string) *lab {
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
	l := &lab{t: t, server: fmt.Sprintf("labs%d", id), client: fmt.Sprintf("labc%d", id)}
	if out, err := exec.Command("ip", "netns", "add", l.server).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %v: %s", err, out)
	}
	t.Cleanup(func() { l.run("ip netns del " + l.server) })
	l.run("ip netns add " + l.client)
	t.Cleanup(func() { l.run("ip netns del " + l.client) })
	for _, ns := range []string{l.server, l.client} {
		l.run("ip -n " + ns + " link set lo up")
	}
	l.wire("w0", []string{labServer4 + "/24", labOther4 + "/24", labServer6 + "/64", labOther6 + "/64"},
		[]string{labClient4 + "/24", labClient6 + "/64"})
	return l
}

// wire lays a wire between the namespaces, with addresses at its ends that are
// good at once.
func (l *lab) wire(name string, server, client []string) {
	l.t.Helper()
	l.run("ip link add " + name + " netns " + l.server + " type veth peer name " + name + " netns " + l.client)
	for ns, addrs := range map[string][]string{l.server: server, l.client: client} {
		l.run("ip -n " + ns + " link set " + name + " up")
		for _, a := range addrs {
			l.run("ip -n " + ns + " addr add " + a + " dev " + name + " nodad")
		}
	}
}

// as is the lab for a subtest.
func (l *lab) as(t testing.TB) *lab { return &lab{t: t, server: l.server, client: l.client} }

func (l *lab) run(line string) string {
	l.t.Helper()
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		l.t.Errorf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// in runs f in a namespace. Sockets stay in the namespace where they were made.
func (l *lab) in(ns string, f func() error) (err error) {
	onThread(func() {
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

// listenUDP opens a link over UDP in the server's namespace, closed with the
// test; dialUDP one in the client's.
func (l *lab) listenUDP(opt Options, local string) *Conn {
	l.t.Helper()
	return l.open(l.server, func() (*Conn, error) { return Listen(context.Background(), opt, local) })
}

func (l *lab) dialUDP(opt Options, remote string) *Conn {
	l.t.Helper()
	return l.open(l.client, func() (*Conn, error) { return Dial(context.Background(), opt, remote) })
}

func (l *lab) open(ns string, f func() (*Conn, error)) (c *Conn) {
	l.t.Helper()
	if err := l.in(ns, func() (err error) { c, err = f(); return err }); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { l.close(ns, c.Close) })
	return c
}

// close closes where the firewall rules of --tcp are.
func (l *lab) close(ns string, c func() error) {
	if err := l.in(ns, c); err != nil && !errors.Is(err, net.ErrClosed) {
		l.t.Error(err)
	}
}
