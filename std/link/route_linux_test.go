package link

import (
	"net"
	"testing"

	"kcptun/std/testkit/netns"
)

// newRouteLab has a second wire between the machines, and addresses of the server that the
// client can reach by either: first by w0.
func newRouteLab(t *testing.T) *udpLab {
	t.Helper()
	l := newLab(t)
	l.Wire("w1", []string{"198.51.100.1/24", "2001:db8:1::1/64"}, []string{"198.51.100.11/24", "2001:db8:1::11/64"})
	l.Run("ip -n " + l.Server + " addr add " + routed4 + "/32 dev lo")
	l.Run("ip -n " + l.Server + " addr add " + routed6 + "/128 dev lo")
	l.routeBy(netns.Server4, netns.Server6)
	return l
}

const routed4, routed6 = "203.0.113.1", "2001:db8:2::1"

// routeBy has the client reach the server through these of its addresses.
func (l *udpLab) routeBy(via4, via6 string) {
	l.T.Helper()
	l.Run("ip -n " + l.Client + " route replace " + routed4 + " via " + via4)
	l.Run("ip -n " + l.Client + " route replace " + routed6 + " via " + via6)
}

// A client whose route changes sends from an address of the new one, even if it keeps that
// of the former: when a cable has lost its uplink and a radio has one, answers to the cable's
// address get lost. The client was made to keep the address at which it had been heard, also
// at another port.
func TestClientFollowsItsRoute(t *testing.T) {
	for _, c := range []struct {
		name, host string
		plain      bool
		moves      bool // to another port, as a client does that hears nothing
	}{
		{"IPv4", routed4, false, false},
		{"IPv4, at another port", routed4, false, true},
		{"IPv4, one by one", routed4, true, false},
		{"IPv6", routed6, false, false},
		{"IPv6, at another port", routed6, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newRouteLab(t)
			opt, _ := options(newAES())
			opt.OneByOne = c.plain
			server := l.listenUDP(opt, ":0")
			client := l.dialUDP(opt, net.JoinHostPort(c.host, portOf(server)))
			near, far := sessions(t, client, server)
			exchange(t, near, far, 50_000)
			l.routeBy("198.51.100.1", "2001:db8:1::1")
			l.Run("ip -n " + l.Server + " route del 192.0.2.0/24 dev w0")
			l.Run("ip -n " + l.Server + " route del 2001:db8::/64 dev w0")
			if c.moves {
				if err := l.In(l.Client, func() error { return client.Move(t.Context(), false) }); err != nil {
					t.Fatal(err)
				}
			}
			exchange(t, near, far, 50_000)
		})
	}
}
