package e2e_test

import (
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// A path that is slow and loses much, but is alive, is not left.
func TestSlowPathIsNotLeft(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	for name, p := range enginesAndOlder {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.relay = &lab.Fault{Delay: time.Second, Loss: 0.05}
			tn := start(t, p)
			tn.exchange(t, 128*kib)
			for _, says := range []string{"session cut off", saysMoved, "session lost"} {
				if lines := tn.client.lines(says); len(lines) > 0 {
					t.Errorf("the client left the path: %s", lines)
				}
			}
			if convs := fields(t, tn.client.lines("session opened"), "conv"); len(convs) > 2 { // in mode auto one beside the busy one
				t.Errorf("the client's conversations are %v", convs)
			}
			tn.client.kill(t) // what is on its way takes long to come to an end
			tn.server.kill(t)
		})
	}
}

// An idle session costs what its keepalive says, and no more.
func TestIdleSessionIsQuiet(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	for name, p := range enginesAndOlder {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.relay = new(lab.Fault)
			tn := start(t, p)
			tn.exchange(t, mib)
			if p.oldSide == "" {
				must(t, tn.target.WaitIdle(patient(t)))
			}
			const keepalives = 3
			sent := func() uint64 { return tn.relay.Counters(lab.Up).PacketsIn + tn.relay.Counters(lab.Down).PacketsIn }
			time.Sleep(5 * time.Second) // the ends of the streams, and what asks once after a transfer
			before := sent()
			time.Sleep(keepalives * 10 * time.Second) // as many keepalives is what is tested
			// A NOP of either end, the answer of the other, an acknowledgement of each, and parity of a group
			// that becomes full.
			if n := sent() - before; n > 8*(keepalives+1) {
				t.Errorf("%d datagrams in %d keepalives", n, keepalives)
			} else {
				t.Logf("%d datagrams in %d keepalives", n, keepalives)
			}
		})
	}
}

// An idle session goes on whatever the keepalives of its ends are, because each answers the
// other's. An end with a long one used to be given up by the other.
func TestKeepAlivesThatDiffer(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	for name, p := range map[string]plan{
		"fast":                     {client: []string{"--keepalive", "1"}, server: []string{"--keepalive", "3600"}},
		"fast, long at the client": {client: []string{"--keepalive", "3600"}, server: []string{"--keepalive", "1"}},
		"auto":                     {both: []string{"--mode", "auto"}, client: []string{"--keepalive", "3600"}, server: []string{"--keepalive", "1"}},
		"older server":             {both: smux2, oldSide: "server", client: []string{"--keepalive", "3600"}, server: []string{"--keepalive", "1"}},
		"older client":             {both: smux2, oldSide: "client", client: []string{"--keepalive", "1"}, server: []string{"--keepalive", "3600"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.both = with(p.both, "--ds 0 --ps 0")
			p.relay = new(lab.Fault)
			tn := start(t, p)
			tn.exchange(t, 64*kib)
			heard := func() uint64 { return tn.relay.Counters(lab.Up).PacketsIn + tn.relay.Counters(lab.Down).PacketsIn }
			// They are 2.5 to 3 a second, and 4 with an older end: a keepalive, its answer, and an
			// acknowledgement of each, of which some go together. An end of ours gives the other up after
			// 30 s, an older one after 30 to 60 s.
			looks, datagrams := 1, uint64(100)
			if p.oldSide != "" {
				looks, datagrams = 2, 130
			}
			for range looks {
				begun, before := time.Now(), heard()
				wait(t, "many keepalives", func() bool { return heard() >= before+datagrams })
				t.Logf("%d datagrams in %v", datagrams, time.Since(begun))
			}
			tn.exchange(t, 64*kib)
			ours := tn.client
			if ours.old {
				ours = tn.server
			}
			if convs := fields(t, ours.lines("session opened"), "conv"); len(convs) != 1 {
				t.Errorf("the conversations are %v", convs)
			}
		})
	}
}
