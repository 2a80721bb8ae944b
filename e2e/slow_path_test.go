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
