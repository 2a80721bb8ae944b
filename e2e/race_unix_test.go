//go:build unix

package e2e_test

import (
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// A server has two addresses, and the answer from the first comes so late that the client
// takes the other. It tells the server that the first session is over. The server used to
// keep that for half a minute, and then warned of a client that does not hear it.
func TestLoserOfARaceLeaves(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.noClient = true
			tn := start(t, p)
			slow, err := lab.NewRelay(lab.RelayConfig{Server: tn.listen, Up: lab.Fault{Delay: 800 * time.Millisecond}, Down: lab.Fault{Delay: 10 * time.Second}})
			must(t, err)
			t.Cleanup(func() { slow.Close() })
			tn.client, tn.dial = startClient(t, slow.Addr()+","+tn.listen, p)
			conn, err := tn.dial(patient(t))
			must(t, err)
			defer conn.Close()
			tn.client.mustLog(t, "an address of the server did not answer in time, taking another")
			wait(t, "only one session is left at the server", func() bool {
				counters, err := tn.server.Counters(patient(t))
				must(t, err)
				return counters["PassiveOpens"] >= 2 && counters["CurrEstab"] == 1
			})
			for _, says := range []string{"session refused", saysUnheard} {
				if lines := tn.server.lines(says); len(lines) > 0 {
					t.Errorf("the server complains: %s", lines)
				}
			}
		})
	}
}
