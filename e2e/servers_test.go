package e2e_test

import (
	"testing"

	"kcptun/e2e/lab"
)

// Of two servers the first is silent: it is left for the second, and tried again when that one
// falls silent.
func TestSilentServerIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, p := range enginesAndOlder {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.noClient, p.relay = true, new(lab.Fault)
			tn := start(t, p)
			p.target = tn.target.Addr()
			second := startServerAnywhere(t, &p)
			way, err := lab.NewRelay(lab.RelayConfig{Server: p.listen, Seed: 2})
			must(t, err)
			t.Cleanup(func() { way.Close() })

			tn.relay.Cut(true)
			tn.client, tn.dial = startClient(t, tn.remote+","+way.Addr(), p)
			tn.answered(t, "an answer of the second server")
			tn.exchange(t, 64*kib)

			tn.relay.Cut(false)
			way.Cut(true)
			tn.answered(t, "an answer of the first server")
			tn.exchange(t, 64*kib)

			tn.relay.Cut(true)
			way.Cut(false)
			tn.answered(t, "an answer of the second server again")
			tn.client.kill(t) // the sessions that fell silent cannot be ended
			tn.server.kill(t)
			second.kill(t)
		})
	}
}
