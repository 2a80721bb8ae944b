//go:build unix

package e2e_test

import (
	"strings"
	"syscall"
	"testing"
)

// SIGUSR1 logs one line with every counter.
func TestCountersOnSignal(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{})
	tn.exchange(t, mib)
	for _, p := range []*program{tn.client, tn.server} {
		must(t, p.Signal(syscall.SIGUSR1))
		line := p.mustLog(t, "KCP SNMP:")
		for _, counter := range []string{"BytesSent:", "BytesReceived:", "RetransSegs:", "FECRecovered:", "InCsumErrors:", "LinkSealFailures:0"} {
			if !strings.Contains(line, " "+counter) {
				t.Errorf("the %s has no %s in its line: %s", p.name, counter, line)
			}
		}
		if strings.Contains(line, "BytesSent:0 ") || strings.Contains(line, "BytesReceived:0 ") {
			t.Errorf("the %s counted nothing: %s", p.name, line)
		}
	}
	tn.exchange(t, 64*kib)
}
