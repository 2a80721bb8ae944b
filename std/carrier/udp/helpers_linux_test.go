package udp

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
)

// options are those of a carrier, and what it logs.
func options() (carrier.Options, *testkit.Logbook) {
	log, book := testkit.NewLog()
	return carrier.Options{Log: log, Notices: new(carrier.Notices)}, book
}

// both runs a test with and without the system's offloads.
func both(t *testing.T, test func(t *testing.T, opt carrier.Options)) {
	for name, oneByOne := range map[string]bool{"one by one": true, "offload": false} {
		t.Run(name, func(t *testing.T) {
			opt, _ := options()
			opt.OneByOne = oneByOne
			test(t, opt)
		})
	}
}

func listenAt(t testing.TB, opt carrier.Options, local string) carrier.Carrier {
	t.Helper()
	c, err := Listen(context.Background(), opt, local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// dialTo opens a carrier, and the way to where it is to send.
func dialTo(t testing.TB, opt carrier.Options, remote string) (carrier.Carrier, *carrier.Way) {
	t.Helper()
	to := netip.MustParseAddrPort(remote)
	c, err := Dial(context.Background(), opt, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, carrier.NewWay(to)
}

// say sends one datagram.
func say(t testing.TB, c carrier.Carrier, way *carrier.Way, text string) {
	t.Helper()
	refused, err := c.Send([]*carrier.Batch{{Way: way, Buf: []byte(text), Size: len(text), Count: 1}})
	if refused != 0 || err != nil {
		t.Fatalf("%d datagrams refused: %v", refused, err)
	}
}

// hear receives one datagram, which must be this.
func hear(t testing.TB, c carrier.Carrier, want string) (in carrier.Inbound) {
	t.Helper()
	testkit.Returns(t, want, func() {
		inbox, err := c.Recv()
		if err != nil || len(inbox) != 1 || string(inbox[0].Data) != want {
			t.Errorf("received %v, %v", inbox, err)
			return
		}
		in = inbox[0]
	})
	return in
}

func portOf(c carrier.Carrier) string {
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	return port
}
