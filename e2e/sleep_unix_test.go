//go:build unix

package e2e_test

import (
	"syscall"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// asleep is longer than the keepalive's patience of 30 s.
const asleep = 33 * time.Second

// sleep stops a program for a while, as closing a laptop or moving a virtual machine does.
func (p *program) sleep(t *testing.T) {
	t.Helper()
	must(t, p.Signal(syscall.SIGSTOP))
	time.Sleep(asleep) // the length of the sleep is what is tested
	must(t, p.Signal(syscall.SIGCONT))
}

// A client that slept longer than its server's patience does not use the session that the
// server has forgotten. Its next request used to wait for half a minute.
func TestClientSleeps(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	for name, p := range enginesAndOlder {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p.oldSide != "" {
				oldProgram(t, lab.OldServer)
			}
			tn := start(t, p)
			tn.exchange(t, 64*kib)
			tn.client.sleep(t)
			tn.answered(t, "an answer after the sleep")
			tn.client.mustLog(t, "session overslept, it takes no new streams")
		})
	}
}

// One end sleeps longer than its own patience, but the other end has more: the download
// goes on. The end that slept used to take the other for dead as soon as it woke up.
func TestSleepAmidDownload(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	long := []string{"--keepalive", "30"} // patience of 90 s
	for name, c := range map[string]struct {
		plan plan
		pick func(tn *tunnel) *program
	}{
		"the client":       {plan{server: long}, func(tn *tunnel) *program { return tn.client }},
		"the server":       {plan{client: long}, func(tn *tunnel) *program { return tn.server }},
		"the client, auto": {plan{both: []string{"--mode", "auto"}, server: long}, func(tn *tunnel) *program { return tn.client }},
		"the server, auto": {plan{both: []string{"--mode", "auto"}, client: long}, func(tn *tunnel) *program { return tn.server }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := start(t, c.plan)
			done := tn.heldPull(t, 4*mib)
			c.pick(tn).sleep(t)
			tn.target.Release()
			must(t, <-done)
		})
	}
}
