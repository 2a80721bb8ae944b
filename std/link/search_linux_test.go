package link

import (
	"fmt"
	"net"
	"testing"
	"time"

	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// The search finds what a wire carries, also where nothing that is too large is sent in
// fragments: over IPv6 and with the imitation of TCP.
func TestSearchOnAWire(t *testing.T) {
	if testing.Short() {
		t.Skip("each step of a search takes seconds")
	}
	const (
		mtu   = 1300 // of the server's card, which drops what is larger
		extra = 4    // a card of this kind also takes the tag of a VLAN
	)
	for _, c := range []struct {
		tcp     bool
		host    string
		headers int // of IP, and of UDP or TCP
	}{
		{false, netns.Server6, 40 + 8},
		{true, netns.Server4, 20 + 20 + 12}, // with the time
	} {
		t.Run(fmt.Sprintf("%s, tcp %v", c.host, c.tcp), func(t *testing.T) {
			opt, book := options(newAES())
			opt.MTU, opt.OneByOne = 1350, true // segments of one datagram would pass as a whole
			var server, client *Conn
			if c.tcp {
				l := newTCPLab(t)
				l.Run("ip -n " + l.Server + " link set w0 mtu " + fmt.Sprint(mtu))
				server = l.listen(opt, net.JoinHostPort(c.host, labPort))
				client = l.dial(opt, net.JoinHostPort(c.host, labPort))
			} else {
				l := newLab(t)
				l.Run("ip -n " + l.Server + " link set w0 mtu " + fmt.Sprint(mtu))
				server = l.listenUDP(opt, ":0")
				client = l.dialUDP(opt, net.JoinHostPort(c.host, portOf(server)))
			}
			k, s := sessions(t, client, server)
			client.Peer().OnResize(func(size int) { k.SetMtu(size - client.Overhead()) })
			begun := time.Now()
			for len(book.with("large packets do not pass")) == 0 {
				later := time.Now().Add(3 * testkit.Patience)
				_, _ = k.SetDeadline(later), s.SetDeadline(later)
				exchange(t, k, s, 100_000)
			}
			t.Logf("found after %v", time.Since(begun).Round(10*time.Millisecond))
			most := mtu + extra - c.headers
			if got := client.Peer().Size(); got > most || got < most-sizeStep {
				t.Errorf("the size is %d, and %d pass", got, most)
			}
			exchange(t, k, s, 1<<20)
			testkit.Eventually(t, "all is acknowledged", func() bool { return client.Peer().InFlight() == 0 })
		})
	}
}
