package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// engines are a plan for each engine that a session may have.
var engines = map[string]plan{
	"fast": {},
	"auto": {both: []string{"--mode", "auto"}},
}

// enginesAndOlder are those, and a server of an older release.
var enginesAndOlder = map[string]plan{
	"fast":         engines["fast"],
	"auto":         engines["auto"],
	"older server": {both: smux2, oldSide: "server"},
}

// answered waits until a new connection is answered, trying again like a person would, and
// returns how long that took.
func (tn *tunnel) answered(t *testing.T, what string) {
	t.Helper()
	begun := time.Now()
	wait(t, what, func() bool {
		_, err := lab.Echo(shortly(t), tn.dial, 1, 100)
		return err == nil
	})
	t.Logf("answered after %v", time.Since(begun).Round(10*time.Millisecond))
}

// Causes that leave a session's packets without an answer. The client notices because
// nothing is acknowledged, and uses another session. It used to wait for its keepalive,
// half a minute.
func TestDeadPath(t *testing.T) {
	t.Parallel()
	signs := map[string]string{
		"the server restarts": "the server does not know this session",
		"the flow is blocked": "session cut off",
	}
	faults := map[string]func(t *testing.T, tn *tunnel, p plan){
		"the server restarts": func(t *testing.T, tn *tunnel, p plan) {
			tn.server.kill(t)
			tn.server = startServer(t, p)
		},
		"the flow is blocked": func(_ *testing.T, tn *tunnel, _ plan) { tn.relay.Block() },
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
				for range 8 { // each session must find out for itself
					tn.answered(t, "an answer after the fault")
				}
				tn.exchange(t, 256*kib)
				says := signs[fault]
				if fault == "the flow is blocked" && p.oldSide == "" {
					says = saysMoved
				}
				tn.client.mustLog(t, says)
				tn.client.kill(t) // do not wait for what the other end keeps of the lost session
				tn.server.kill(t)
			})
		}
	}
}

// A NAT gives the client another port again and again. Open streams survive, in both
// directions, during silence, and with a client of any version. They used to be lost.
func TestMovedClient(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]plan{
		"fast":                  {},
		"auto":                  {both: []string{"--mode", "auto"}},
		"without FEC":           {both: []string{"--ds", "0", "--ps", "0"}},
		"older client":          {both: smux2, oldSide: "client"},
		"older client, auto":    {both: smux2, server: []string{"--mode", "auto"}, oldSide: "client"},
		"fast, with loss":       {relay: &lab.Fault{Rate: 2 * mib, Loss: 0.03, Delay: 10 * time.Millisecond}},
		"older client and loss": {both: smux2, oldSide: "client", relay: &lab.Fault{Rate: 2 * mib, Loss: 0.03}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := p
			if p.oldSide != "" {
				oldProgram(t, lab.OldClient)
			}
			if p.relay == nil {
				p.relay = &lab.Fault{Rate: 2 * mib, Delay: 10 * time.Millisecond}
			}
			tn := start(t, p)
			for what, transfer := range map[string]func(context.Context, lab.Progress) error{
				"download": func(ctx context.Context, progress lab.Progress) error {
					_, err := lab.Pull(ctx, tn.dial, 4*mib, progress)
					return err
				},
				"upload": func(ctx context.Context, progress lab.Progress) error {
					_, err := lab.Push(ctx, tn.dial, 4*mib, progress)
					return err
				},
			} {
				var h headway
				done := begin(t, h.watch(transfer))
				tn.relay.Rebind()
				h.begin()
				if err := <-done; err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				h.log(t)
			}
			for range 3 {
				tn.relay.Rebind()
				tn.exchange(t, 64*kib)
			}
			tn.server.mustLog(t, "a client goes on from another address")
			if lines := tn.server.lines("session closed"); len(lines) > 0 {
				t.Errorf("a session has ended: %q", lines)
			}
		})
	}
}

// The network fails for longer than a path may be silent. When it is back, open streams go
// on and new ones are answered. In a transfer as fast as the link, a request waits for what
// is in flight, as it does without a cut; a paced one shows what the session costs.
func TestBlackhole(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	type download func(context.Context, lab.Dial, int64, lab.Progress) (lab.Result, error)
	for kind, c := range map[string]struct {
		fault lab.Fault
		pull  download
		size  int64 // outlasts the cuts
		cuts  []time.Duration
	}{
		"":      {lab.Fault{Rate: mib}, lab.Pull, 4 * mib, []time.Duration{5 * time.Second, 20 * time.Second, 40 * time.Second}},
		"paced": {lab.Fault{Delay: 5 * time.Millisecond}, lab.PullSlow, 800 * kib, []time.Duration{5 * time.Second}},
	} {
		for name, p := range enginesAndOlder {
			for _, length := range c.cuts {
				t.Run(strings.TrimSuffix(name+", "+length.String()+", "+kind, ", "), func(t *testing.T) {
					t.Parallel()
					p := p
					if p.oldSide != "" {
						oldProgram(t, lab.OldServer)
					}
					p.relay = &c.fault
					tn := start(t, p)
					var h headway
					done := begin(t, h.watch(func(ctx context.Context, progress lab.Progress) error {
						_, err := c.pull(ctx, tn.dial, c.size, progress)
						return err
					}))
					tn.relay.Cut(true)
					time.Sleep(length) // the length of the cut is what is tested
					tn.relay.Cut(false)
					h.begin()
					tn.answered(t, "an answer after the cut")
					must(t, <-done)
					h.log(t)
				})
			}
		}
	}
}

// A list of servers: if one is gone the next is used, and an address that does not answer
// costs only a moment.
func TestSeveralServers(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.noClient = true
			tn := start(t, p)
			p.target = tn.target.Addr()
			second := startServerAnywhere(t, &p)
			tn.client, tn.dial = startClient(t, freeAddr(t)+","+tn.listen+","+p.listen, p)
			tn.exchange(t, 64*kib)
			tn.server.kill(t)
			for range 4 { // sessions
				tn.answered(t, "an answer of the other server")
			}
			second.mustLog(t, "session opened")
			tn.client.kill(t)
			second.kill(t)
		})
	}
}

// A server that ends says so, and its client then opens a session to the next server
// without waiting for a timeout.
func TestCleanRestart(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := start(t, p)
			p.listen, p.target = tn.listen, tn.target.Addr()
			tn.exchange(t, 64*kib)
			must(t, tn.target.WaitIdle(patient(t)))
			tn.server.stop(t)
			tn.client.mustLog(t, "the server has closed it")
			tn.server = startServer(t, p)
			tn.answered(t, "an answer of the server that was started again")
		})
	}
}
