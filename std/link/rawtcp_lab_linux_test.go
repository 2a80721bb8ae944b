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

// rawLab is two network namespaces with a wire between them. The server's has
// two addresses of each family.
type rawLab struct {
	t              testing.TB
	server, client string // names of the namespaces
}

const (
	labServer4, labOther4, labClient4 = "192.0.2.1", "192.0.2.2", "192.0.2.11"
	labServer6, labOther6, labClient6 = "2001:db8::1", "2001:db8::2", "2001:db8::11"
	labPort                           = "29900"
)

func newRawLab(t testing.TB) *rawLab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces take root")
	}
	for _, program := range []string{"ip", "iptables", "ip6tables"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	id := os.Getpid()
	l := &rawLab{t: t, server: fmt.Sprintf("raws%d", id), client: fmt.Sprintf("rawc%d", id)}
	if out, err := exec.Command("ip", "netns", "add", l.server).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %v: %s", err, out)
	}
	t.Cleanup(func() { l.run("ip netns del " + l.server) })
	l.run("ip netns add " + l.client)
	t.Cleanup(func() { l.run("ip netns del " + l.client) })
	l.run("ip link add w0 netns " + l.server + " type veth peer name w0 netns " + l.client)
	for ns, addrs := range map[string][]string{
		l.server: {labServer4 + "/24", labOther4 + "/24", labServer6 + "/64", labOther6 + "/64"},
		l.client: {labClient4 + "/24", labClient6 + "/64"},
	} {
		l.run("ip -n " + ns + " link set lo up")
		l.run("ip -n " + ns + " link set w0 up")
		for _, a := range addrs {
			l.run("ip -n " + ns + " addr add " + a + " dev w0 nodad")
		}
	}
	return l
}

func (l *rawLab) run(line string) string {
	l.t.Helper()
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		l.t.Errorf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// in runs f in a namespace. Sockets stay in the namespace where they were made.
func (l *rawLab) in(ns string, f func() error) (err error) {
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

// rules are those of OUTPUT in a namespace, both families.
func (l *rawLab) rules(ns string) (rules []string) {
	l.t.Helper()
	for _, program := range []string{"iptables", "ip6tables"} {
		for line := range strings.Lines(l.run("ip netns exec " + ns + " " + program + " -w -S OUTPUT")) {
			if strings.HasPrefix(line, "-A") {
				rules = append(rules, program+" "+strings.TrimSpace(line))
			}
		}
	}
	return rules
}

// lose drops a part of the segments with payload that arrive in a namespace.
func (l *rawLab) lose(ns, share string) {
	l.t.Helper()
	for _, program := range []string{"iptables", "ip6tables"} {
		line := "ip netns exec " + ns + " " + program + " -w -t raw -A PREROUTING -p tcp --tcp-flags PSH PSH -m statistic --mode random --probability " + share + " -j DROP"
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			l.t.Skipf("no random loss here: %v: %s", err, out)
		}
	}
}

// listen opens a link of ours in the server's namespace, closed with the test.
func (l *rawLab) listen(opt Options, local string) *Conn {
	l.t.Helper()
	return l.open(l.server, func() (*Conn, error) { return ListenTCP(context.Background(), opt, local) })
}

func (l *rawLab) dial(opt Options, remote string) *Conn {
	l.t.Helper()
	return l.open(l.client, func() (*Conn, error) { return DialTCP(context.Background(), opt, remote) })
}

func (l *rawLab) open(ns string, f func() (*Conn, error)) (c *Conn) {
	l.t.Helper()
	if err := l.in(ns, func() (err error) { c, err = f(); return err }); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { l.close(ns, c.Close) })
	return c
}

// close closes where the rules are.
func (l *rawLab) close(ns string, c func() error) {
	if err := l.in(ns, c); err != nil && !errors.Is(err, net.ErrClosed) {
		l.t.Error(err)
	}
}
