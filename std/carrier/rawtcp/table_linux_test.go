package rawtcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// handshake is a flow from which nothing has arrived yet.
func handshake(from string, at time.Duration) *flow {
	return &flow{remote: netip.MustParseAddrPort(from), heard: at}
}

// Handshakes without a datagram could occupy all 16,384 descriptors, kept alive by bare
// acknowledgements.
func TestFlowsBoundUnproven(t *testing.T) {
	table := newFlows(8) // 2 from one address
	add := func(from string, at time.Duration) (gone []*flow, err error) {
		return table.insert(handshake(from, at), at)
	}
	for i, c := range []struct {
		from string
		at   time.Duration
		gone string // who makes room
		err  error
	}{
		{"192.0.2.1:1", 0, "", nil},
		{"192.0.2.1:2", 0, "", nil},
		{"192.0.2.1:3", 1, "", errUnproven},
		{"192.0.2.2:1", 2, "", nil},
		{"[2001:db8::1]:1", 2, "", nil},
		{"[2001:db8::2]:1", 2, "", nil},
		{"[2001:db8::3]:1", 2, "", errUnproven}, // the same subnet
		{"192.0.2.1:3", flowGrace, "192.0.2.1:1", nil},
		{"192.0.2.3:1", flowGrace, "", nil},
		{"192.0.2.4:1", flowGrace, "", nil},
		{"192.0.2.5:1", flowGrace, "", nil},
		{"192.0.2.6:1", flowGrace, "192.0.2.1:2", nil}, // the oldest of all
		{"192.0.2.7:1", flowGrace + 1, "", errUnproven},
		{"192.0.2.6:1", 9 * flowGrace, "192.0.2.6:1", nil}, // comes again
	} {
		gone, err := add(c.from, c.at)
		if !errors.Is(err, c.err) {
			t.Errorf("%d, %s: %v", i, c.from, err)
		}
		text := ""
		for _, f := range gone {
			text += f.remote.String()
		}
		if text != c.gone {
			t.Errorf("%d, %s: %q has gone, want %q", i, c.from, text, c.gone)
		}
	}
	if n := len(table.table); n != 8 {
		t.Errorf("%d flows", n)
	}
}

// A server of many ports had the whole limit at each of them, and so more connections than
// descriptors.
func TestPortsShareTheLimit(t *testing.T) {
	one := unprovenLimit(0)
	if one > maxUnproven || unprovenLimit(1) != one || unprovenLimit(4) != max(leastUnproven, one/4) || unprovenLimit(1000) != leastUnproven {
		t.Error(one, unprovenLimit(1), unprovenLimit(4), unprovenLimit(1000))
	}
}

// A proven flow is neither counted nor evicted.
func TestFlowsKeepProven(t *testing.T) {
	table := newFlows(4) // 1 from one address
	for i := range 20 {
		f := handshake(fmt.Sprintf("192.0.2.1:%d", i+1), 0)
		if gone, err := table.insert(f, 0); err != nil || len(gone) != 0 {
			t.Fatalf("flow %d: %v, and %d have gone", i, err, len(gone))
		}
		f.Confirm(&carrier.Numbers{})
	}
	if silent := table.silent(flowSilence + 1); len(silent) != 20 || len(table.table) != 0 {
		t.Errorf("%d were silent, %d are left", len(silent), len(table.table))
	}
}

// A crowd of handshakes from one place neither locks out a client from elsewhere nor delays
// it.
func TestTCPCrowdOfHandshakes(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	server := l.listen(opt, ":"+labPort)
	table := server.flows
	table.mu.Lock()
	table.limit = 40 // 10 from one address
	table.mu.Unlock()
	const crowd = 60
	err := l.In(l.Client, func() error {
		for range crowd {
			conn, err := net.Dial("tcp6", net.JoinHostPort(netns.Server6, labPort))
			if err != nil {
				return err
			}
			t.Cleanup(func() { conn.Close() })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	remote := netns.Server4 + ":" + labPort
	if _, err := l.dial(opt, remote).Send(datagramTo(remote, []byte("good"))); err != nil {
		t.Fatal(err)
	}
	awaitDatagram(t, server, "good")
	testkit.Eventually(t, "the others are refused", func() bool { return opt.FlowsRefused.Load() >= crowd-10 })
}
