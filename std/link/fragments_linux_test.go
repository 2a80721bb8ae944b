package link

import (
	"fmt"
	"net"
	"testing"
	"time"

	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// A wire over IPv6 becomes narrower amid a session, and nothing tells so. What was sent in
// large packets arrives in fragments, and the session goes on. It used to be stuck, and to end
// after 30 s; over IPv4, TestFragments in package udp has the routers split.
func TestWireBecomesNarrow(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds to be certain of that")
	}
	for _, tcp := range []bool{false, true} {
		t.Run(fmt.Sprint("tcp ", tcp), func(t *testing.T) {
			opt, book := options(newAES())
			opt.MTU, opt.OneByOne = 1350, true // segments of one datagram would pass as a whole
			var lab *netns.Lab
			var server, client *Conn
			if tcp {
				l := newTCPLab(t)
				lab, server = l.Lab, l.listen(opt, net.JoinHostPort(netns.Server6, labPort))
				client = l.dial(opt, net.JoinHostPort(netns.Server6, labPort))
			} else {
				l := newLab(t)
				lab, server = l.Lab, l.listenUDP(opt, ":0")
				client = l.dialUDP(opt, net.JoinHostPort(netns.Server6, portOf(server)))
			}
			k, s := sessions(t, client, server)
			client.Peer().OnResize(func(size int) { k.SetMtu(size - client.Overhead()) })
			carry := func(size int) {
				later := time.Now().Add(3 * testkit.Patience)
				_, _ = k.SetDeadline(later), s.SetDeadline(later)
				exchange(t, k, s, size)
			}
			for client.Peer().Size() < opt.MTU {
				carry(100_000)
			}
			lab.Run("ip -n " + lab.Server + " link set w0 mtu 1300")
			carry(100_000)
			if len(book.with("large packets do not pass")) == 0 {
				t.Errorf("no packet was too large; logged %q", book.with(""))
			}
			if err := client.Peer().Failure(); err != nil {
				t.Error(err)
			}
			testkit.Eventually(t, "nothing is split any more", func() bool {
				carry(1000)
				return !client.Peer().way.Load().Fragments()
			})
		})
	}
}
