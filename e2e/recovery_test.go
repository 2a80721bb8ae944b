package e2e_test

import (
	"context"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// answered waits until a new connection is answered, with tries as a person makes them, and
// tells how long that took.
func (tn *tunnel) answered(t *testing.T, what string) {
	t.Helper()
	begun := time.Now()
	wait(t, what, func() bool {
		_, err := lab.Echo(shortly(t), tn.dial, 1, 100)
		return err == nil
	})
	t.Logf("answered after %v", time.Since(begun).Round(10*time.Millisecond))
}

// What leaves a session's packets without an answer: the client notices by what is not
// acknowledged and goes on with another session. It used to wait for its keepalive, half a
// minute.
func TestDeadPath(t *testing.T) {
	t.Parallel()
	faults := map[string]func(t *testing.T, tn *tunnel, p plan){
		"the server restarts": func(t *testing.T, tn *tunnel, p plan) {
			tn.server.kill(t)
			tn.server = startServer(t, p)
		},
		"the flow is blocked": func(_ *testing.T, tn *tunnel, _ plan) { tn.relay.Block() },
		"the NAT forgets":     func(_ *testing.T, tn *tunnel, _ plan) { tn.relay.Rebind() },
	}
	for name, p := range map[string]plan{
		"fast":                       {},
		"auto":                       {both: []string{"--mode", "auto"}},
		"four sessions":              {client: []string{"--conn", "4"}},
		"older server":               {both: smux2, oldSide: "server"},
		"older server, auto at ours": {both: smux2, client: []string{"--mode", "auto"}, oldSide: "server"},
	} {
		for fault, strike := range faults {
			t.Run(name+", "+fault, func(t *testing.T) {
				t.Parallel()
				p := p
				if p.oldSide != "" {
					oldProgram(t, lab.OldServer)
				}
				p.relay = &lab.Fault{Delay: 5 * time.Millisecond}
				tn := start(t, p)
				p.listen, p.target = tn.listen, tn.target.Addr()
				tn.exchange(t, 256*kib)
				strike(t, tn, p)
				for range 8 { // each session has to find out for itself
					tn.answered(t, "an answer after the fault")
				}
				tn.exchange(t, 256*kib)
				tn.client.mustLog(t, "session cut off")
				tn.client.kill(t) // what the other end keeps of the lost session is not waited for
				tn.server.kill(t)
			})
		}
	}
}

// The network is gone for longer than a path may be silent: what was open goes on when it is
// back, and what comes is answered.
func TestBlackhole(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	for name, p := range map[string]plan{
		"fast":         {},
		"auto":         {both: []string{"--mode", "auto"}},
		"older server": {both: smux2, oldSide: "server"},
	} {
		for _, length := range []time.Duration{5 * time.Second, 20 * time.Second} {
			t.Run(name+", "+length.String(), func(t *testing.T) {
				t.Parallel()
				p := p
				if p.oldSide != "" {
					oldProgram(t, lab.OldServer)
				}
				p.relay = &lab.Fault{Rate: mib}
				tn := start(t, p)
				done := begin(t, func(ctx context.Context, progress lab.Progress) error {
					_, err := lab.Pull(ctx, tn.dial, 4*mib, progress)
					return err
				})
				tn.relay.Cut(true)
				time.Sleep(length) // the length of the cut is the test
				tn.relay.Cut(false)
				tn.answered(t, "an answer after the cut")
				must(t, <-done)
			})
		}
	}
}
