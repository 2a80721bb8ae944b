package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

const (
	saysRetired = "session expired, it takes no new streams"
	saysHopped  = "session expired, it goes on from another port"
)

// staying are plans whose server does not follow a client to another port.
var staying = map[string]plan{
	"without a seal": {both: []string{"--crypt", "null"}},
	"older server":   {both: smux2, oldSide: "server"},
}

// If the server does not follow, an expired session takes no new streams, and ends with its
// last stream.
func TestAutoExpire(t *testing.T) {
	t.Parallel()
	for name, p := range staying {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.client = []string{"--autoexpire", "1"}
			tn := start(t, p)
			old := tn.heldPull(t, 300*kib)
			first := field(t, tn.client.mustLog(t, "session opened"), "conv")
			tn.client.mustLog(t, saysRetired)
			tn.exchange(t, mib)
			convs := fields(t, tn.client.lines("session opened"), "conv")
			if len(convs) < 2 {
				t.Error("no new session was opened for new streams")
			}
			select {
			case err := <-old:
				t.Fatalf("the old stream ended too early to show anything: %v", err)
			default:
			}
			tn.target.Release()
			must(t, <-old)
			line, err := tn.client.WaitLog(patient(t), `msg="session closed" to=`+tn.remote+` conv=`+first+` reason="expired and idle"`)
			if err != nil {
				t.Errorf("the first session is not closed: %q, %v", line, err)
			}
			if lines := tn.server.lines("reason=client:"); len(lines) > 0 {
				t.Errorf("the server saw streams end badly: %s", lines)
			}
			if lines := tn.client.lines(saysHopped); len(lines) > 0 {
				t.Errorf("a session went on from a port that the server does not follow to: %s", lines)
			}
		})
	}
}

// If the server does not follow, an expired session is cut after scavengettl.
func TestScavengeTTL(t *testing.T) {
	t.Parallel()
	for name, p := range staying {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.client = []string{"--autoexpire", "1", "--scavengettl", "1"}
			tn := start(t, p)
			endless := tn.slowPull(t)
			line := tn.client.mustLog(t, `msg="session closed"`)
			if got := field(t, line, "reason"); !strings.Contains(got, "scavengettl is over with 1 streams open") {
				t.Errorf("the reason is %q", got)
			}
			if err := <-endless; err == nil {
				t.Error("the download of a cut stream came to a good end")
			}
			tn.client.mustLog(t, `msg="stream closed"`)
			tn.server.kill(t) // only its keepalive would tell it of the cut, in half a minute
		})
	}
}

// If the server follows, a session with streams goes on from another port when it expires,
// and nothing is cut, however short scavengettl is. A long download used to be cut.
func TestHopsAtExpiry(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]plan{
		"fast":        {},
		"auto":        {both: []string{"--mode", "auto"}},
		"smux 1":      {both: smux1},
		"with loss":   {relay: &lab.Fault{Rate: 512 * kib, Loss: 0.03, Delay: 20 * time.Millisecond}},
		"auto, delay": {both: []string{"--mode", "auto"}, relay: &lab.Fault{Rate: 512 * kib, Delay: 50 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p.relay == nil {
				p.relay = &lab.Fault{Rate: 512 * kib}
			}
			p.client = []string{"--autoexpire", "1", "--scavengettl", "1"}
			tn := start(t, p)
			done := begin(t, func(ctx context.Context, progress lab.Progress) error {
				_, err := lab.Pull(ctx, tn.dial, 3*mib, progress)
				return err
			})
			hops := tn.client.mustLogTimes(t, 2, saysHopped)
			must(t, <-done)
			if ports := fields(t, hops, "from"); len(ports) < 2 {
				t.Errorf("twice another port, and the ports are %v", ports)
			}
			tn.mustGoOn(t)
			tn.exchange(t, 64*kib)
		})
	}
}

// mustGoOn checks that all hops are of the session that was opened first. In mode auto, a
// second one may have been opened, which has no streams and expires.
func (tn *tunnel) mustGoOn(t *testing.T) {
	t.Helper()
	first := field(t, tn.client.mustLog(t, "session opened"), "conv")
	if convs := fields(t, tn.client.lines(saysHopped), "conv"); len(convs) != 1 || convs[0] != first {
		t.Errorf("the sessions %v went on from another port, want %s", convs, first)
	}
}

// With a range, a session goes on at another port of the server, too, as long as it has
// streams.
func TestHopsOverPorts(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const ports = 3
			first := freePorts(t, ports)
			p.listen = fmt.Sprintf("127.0.0.1:%d-%d", first, first+ports-1)
			p.client = []string{"--autoexpire", "1", "--scavengettl", "1"}
			tn := start(t, p)
			done := tn.heldPull(t, 4*mib)
			at := fields(t, tn.client.mustLogTimes(t, 3, saysHopped), "to")
			tn.target.Release()
			must(t, <-done)
			if len(at) < 2 {
				t.Errorf("it went from port to port and was at %s", at)
			}
			tn.mustGoOn(t)
		})
	}
}
