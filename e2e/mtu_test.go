package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

// A path that carries small datagrams and drops large ones without a word: each direction
// has to find that out for itself, whatever the other end is.
func TestLargeDatagramsVanish(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		plan plan
		down bool // the direction with the limit, else up
	}{
		{"fast, up", plan{}, false},
		{"fast, down", plan{}, true},
		{"auto, up", plan{both: []string{"--mode", "auto"}}, false},
		{"auto, down", plan{both: []string{"--mode", "auto"}}, true},
		{"no FEC, up", plan{both: []string{"--ds", "0", "--crypt", "null"}}, false},
		{"old server, up", plan{both: smux2, oldSide: "server"}, false},
		{"old client, down", plan{both: smux2, oldSide: "client"}, true},
		{"auto, old server, up", plan{both: smux2, oldSide: "server", client: []string{"--mode", "auto"}}, false},
		{"auto, old client, down", plan{both: smux2, oldSide: "client", server: []string{"--mode", "auto"}}, true},
	} {
		for _, most := range []int{1200, 1252} {
			t.Run(fmt.Sprintf("%s, %d", c.name, most), func(t *testing.T) {
				t.Parallel()
				c.plan.relay = new(lab.Fault)
				tn := start(t, c.plan)
				way, move, end := lab.Up, tn.push, tn.client
				if c.down {
					way, move, end = lab.Down, tn.pull, tn.server
				}
				must(t, tn.relay.SetFault(way, lab.Fault{MaxSize: most}))
				must(t, move(t, 2*mib))
				// The search goes on as long as there is something to send.
				for len(end.lines("large packets do not pass")) == 0 {
					must(t, move(t, 2*mib))
				}
				if line := end.lines("large packets do not pass")[0]; !strings.Contains(line, "was=1350") {
					t.Errorf("logged %q", line)
				}
				if tn.relay.Counters(way).TooLarge == 0 {
					t.Error("nothing was too large")
				}
			})
		}
	}
}

// The path becomes smaller while a download is on its way. What was sent in large packets is
// stuck, and the end that sends it says so. It gives that session up in the end, and the next
// one is not stuck.
func TestPathBecomesSmaller(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes as long as the keepalive waits")
	}
	for _, mode := range []string{"fast", "auto"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			tn := start(t, plan{both: []string{"--mode", mode}, relay: new(lab.Fault)})
			cut := tn.heldPull(t, 8*mib)
			must(t, tn.relay.SetFault(lab.Down, lab.Fault{MaxSize: 1252}))
			tn.target.Release()
			tn.server.mustLog(t, "large packets do not pass")
			t.Logf("the download that was stuck: %v", <-cut)
			must(t, tn.pull(t, mib))
			if n := len(tn.server.lines("session opened")); n != 2 {
				t.Errorf("%d sessions were opened, want 2: %s", n, tn.server.Log())
			}
		})
	}
}
