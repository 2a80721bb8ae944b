package rawtcp

import (
	"strings"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// Routers may split what is sent over IPv4 if its way says so, and only then. It used to be
// forbidden whatever the way said.
func TestTCPMayBeSplit(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	client, _, _ := l.pair(opt, netns.Server4+":"+labPort)
	var watch *rawSocket // beside the server's
	err := l.In(l.Server, func() (err error) {
		if watch, err = openRawSocket(false); err == nil {
			err = watch.filter(0, 29900)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { watch.close() })
	b := datagramTo(netns.Server4+":"+labPort, []byte("data"))
	for _, on := range []bool{false, true, false} {
		b[0].Way.Fragment(on)
		if refused, err := client.Send(b); refused != 0 || err != nil {
			t.Fatal(refused, err)
		}
		testkit.Returns(t, "the packet", func() {
			got, err := watch.read()
			if err != nil {
				t.Error(err)
				return
			}
			const offsetFlags, dontFragment = 6, 0x40
			if may := got.space[0][offsetFlags]&dontFragment == 0; may != on {
				t.Errorf("may be split: %v, want %v", may, on)
			}
		})
	}
}

// What is too large for a wire over IPv6 gets there in fragments, and otherwise not at all.
func TestTCPIsSplit(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	remote := "[" + netns.Server6 + "]:" + labPort
	client, server, _ := l.pair(opt, remote)
	l.Run("ip -n " + l.Server + " link set w0 mtu 1300")
	large, small := strings.Repeat("l", carrier.MaxDatagram), "small"
	b := datagramTo(remote, nil)[0]
	send := func(text string) {
		b.Buf, b.Size = []byte(text), len(text)
		_, _ = client.Send([]*carrier.Batch{b}) // a wire of this kind says that it drops a packet, as a queue would
	}
	hear := func(want string) {
		t.Helper()
		testkit.Returns(t, "what was sent", func() {
			if in, err := server.Recv(); err != nil || len(in) != 1 || string(in[0].Data) != want {
				t.Errorf("received %d, %v, want %.10q", len(in), err, want)
			}
		})
	}
	for _, on := range []bool{false, true, false} {
		b.Way.Fragment(on)
		if send(large); on {
			hear(large)
		}
		send(small)
		hear(small)
	}
}
