package netns

import (
	"os/exec"
	"strings"
	"testing"
)

// Firewalled is a lab whose firewalls a test, or the imitation of TCP, can change.
type Firewalled struct{ *Lab }

// NewFirewalled skips the test if this machine does not allow it.
func NewFirewalled(t testing.TB) *Firewalled {
	t.Helper()
	return &Firewalled{New(t, "iptables", "ip6tables")}
}

// Rules are those of OUTPUT in a namespace, both families.
func (l *Firewalled) Rules(ns string) (rules []string) {
	l.T.Helper()
	for _, program := range []string{"iptables", "ip6tables"} {
		for line := range strings.Lines(l.Run("ip netns exec " + ns + " " + program + " -w -S OUTPUT")) {
			if strings.HasPrefix(line, "-A") {
				rules = append(rules, program+" "+strings.TrimSpace(line))
			}
		}
	}
	return rules
}

// Lose drops a part of the TCP segments with payload that arrive in a namespace.
func (l *Firewalled) Lose(ns, share string) {
	l.T.Helper()
	for _, program := range []string{"iptables", "ip6tables"} {
		line := "ip netns exec " + ns + " " + program + " -w -t raw -A PREROUTING -p tcp --tcp-flags PSH PSH -m statistic --mode random --probability " + share + " -j DROP"
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			l.T.Skipf("no random loss here: %v: %s", err, out)
		}
	}
}
