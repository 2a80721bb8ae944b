package e2e_test

import (
	"testing"

	"kcptun/e2e/lab"
)

// Half of a server's ports are dead for good. Some of the four sessions begin there, and each
// is replaced when its first connection shows that; from then on every connection is answered.
// One bad session used to fail every fourth connection.
func TestDeadPortsAreLeft(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.client = []string{"--conn", "4"}
			tn, relays := startBehindRelays(t, &p, 4, lab.Fault{})
			relays[0].Cut(true)
			relays[2].Cut(true)
			tn.client, tn.dial = startClient(t, relays.Addr(), p)
			for good, tries := 0, 0; good < 8; tries++ { // two for each session, one after the other
				if _, err := lab.Echo(shortly(t), tn.dial, 1, 100); err == nil {
					good++
				} else if good = 0; tries > 16 {
					t.Fatalf("the connections still fail: %v", err)
				}
			}
			tn.client.kill(t) // sessions of dead ports cannot be ended
			tn.server.kill(t)
		})
	}
}
