package e2e_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

// needRawTCP skips the test if --tcp cannot work at all.
func needRawTCP(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("--tcp needs root")
	}
	if out, err := exec.Command("iptables", "-w", "-S", "OUTPUT").CombinedOutput(); err != nil {
		t.Skipf("--tcp needs iptables: %v: %s", err, out)
	}
}

// dropRules removes the firewall rules for this port, because the older release leaves its
// own behind. It returns those it found.
func dropRules(t *testing.T, addr string) (found []string) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	must(t, err)
	out, err := exec.Command("iptables", "-w", "-S", "OUTPUT").Output()
	must(t, err)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if !strings.Contains(line+" ", "port "+port+" ") || len(words) < 3 {
			continue
		}
		found = append(found, strings.TrimSpace(line))
		if out, err := exec.Command("iptables", append([]string{"-w", "-D"}, words[1:]...)...).CombinedOutput(); err != nil {
			t.Errorf("removing %s: %v: %s", line, err, out)
		}
	}
	return found
}

// The imitation of TCP between our two programs. They leave nothing behind.
func TestTCP(t *testing.T) {
	t.Parallel()
	needRawTCP(t)
	listen := freeAddr(t)
	t.Cleanup(func() {
		if left := dropRules(t, listen); len(left) > 0 {
			t.Errorf("the programs left rules behind: %q", left)
		}
	})
	tn := start(t, plan{both: []string{"--tcp"}, listen: listen})
	tn.exchange(t, mib)
	// The same server also serves UDP.
	_, tn.dial = startClient(t, tn.remote, plan{})
	tn.exchange(t, mib)
	_, tn.dial = startClient(t, tn.remote, plan{both: []string{"--tcp", "--mode", "auto"}})
	tn.exchange(t, mib)
}

// The same with the older release, if it can do it with itself.
func TestOlderReleaseTCP(t *testing.T) {
	t.Parallel()
	needRawTCP(t)
	oldProgram(t, lab.OldServer)
	oldProgram(t, lab.OldClient)
	for _, side := range []string{"server", "client"} {
		t.Run("old "+side, func(t *testing.T) {
			t.Parallel()
			listen := freeAddr(t)
			t.Cleanup(func() { dropRules(t, listen) })
			tn := start(t, plan{oldSide: side, both: with(smux2, "--tcp"), listen: listen})
			tn.exchange(t, mib)
			tn.mustCloseStreams(t)
		})
	}
}
