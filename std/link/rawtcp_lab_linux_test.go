package link

import (
	"context"
	"os/exec"
	"strings"
	"testing"
)

// rawLab is a lab whose firewalls the imitation of TCP can change.
type rawLab struct{ *lab }

const labPort = "29900"

func newRawLab(t testing.TB) *rawLab {
	t.Helper()
	return &rawLab{newLab(t, "iptables", "ip6tables")}
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
