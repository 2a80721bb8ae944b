package e2e_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
	"kcptun/std/testkit/netns"
)

// startApart starts a tunnel whose ends are in network namespaces of their own, with a wire
// between them. The relay of the plan is not used.
func startApart(t *testing.T, l *netns.Lab, host string, p plan) *tunnel {
	t.Helper()
	tn := &tunnel{listen: net.JoinHostPort(host, "4000")}
	clientPath, serverPath := programs.Client, programs.Server
	switch p.oldSide {
	case "client":
		clientPath = oldProgram(t, lab.OldClient)
	case "server":
		serverPath = oldProgram(t, lab.OldServer)
	}
	must(t, l.In(l.Server, func() (err error) { tn.target, err = lab.StartTarget("127.0.0.1:0"); return err }))
	t.Cleanup(func() { tn.target.Close() })
	ctx := patient(t)
	var server, client *lab.Process
	var local string
	must(t, l.In(l.Server, func() (err error) {
		server, err = lab.StartServer(ctx, serverPath, nil, tn.listen, tn.target.Addr(), p.flags(p.server)...)
		return err
	}))
	tn.server = watch(t, "server", server, p.oldSide == "server")
	must(t, l.In(l.Client, func() (err error) {
		client, local, err = lab.StartClient(ctx, clientPath, nil, "127.0.0.1:0", tn.listen, p.flags(p.client)...)
		return err
	}))
	tn.client = watch(t, "client", client, p.oldSide == "client")
	dial := lab.DialTo(local)
	tn.dial = func(ctx context.Context) (conn net.Conn, err error) {
		err = l.In(l.Client, func() (err error) { conn, err = dial(ctx); return err })
		return conn, err
	}
	return tn
}

var pairs = map[string]plan{
	"fast":         engines["fast"],
	"auto":         engines["auto"],
	"older server": {both: smux2, oldSide: "server"},
	"older client": {both: smux2, oldSide: "client"},
}

// The cards of both ends carry less than --mtu says. The tunnel works all the same, and an
// end of ours that was refused a datagram says why.
func TestCardsBelowTheMTU(t *testing.T) {
	fullOnly(t)
	whole := netns.New(t)
	// IPv6 first: below 1280, the system takes its addresses away.
	for _, c := range []struct{ host, mtu string }{{netns.Server6, "1280"}, {netns.Server4, "1000"}} {
		for name, p := range pairs {
			t.Run(name+", "+c.host, func(t *testing.T) {
				l := whole.As(t)
				for _, ns := range []string{l.Server, l.Client} {
					l.Run("ip -n " + ns + " link set w0 mtu " + c.mtu)
				}
				tn := startApart(t, l, c.host, p)
				tn.exchange(t, 2*mib)
				if logs := tn.client.Log() + tn.server.Log(); c.host == netns.Server4 && !strings.Contains(logs, "message too long") {
					t.Error("neither end says that a datagram was too long")
				}
				tn.client.kill(t)
				tn.server.kill(t)
			})
		}
	}
}

// The client's network goes away in the middle of a download, and comes back with another
// address. The download goes on; a server of an older release does not follow, and answers
// the next request.
func TestClientChangesNetwork(t *testing.T) {
	fullOnly(t)
	whole := netns.New(t)
	addrs := []string{netns.Client4, "192.0.2.12"}
	for name, p := range enginesAndOlder {
		t.Run(name, func(t *testing.T) {
			l := whole.As(t)
			tn := startApart(t, l, netns.Server4, p)
			done := tn.heldPull(t, 4*mib)
			l.Run("ip -n " + l.Client + " link set w0 down")
			l.Run("ip -n " + l.Client + " addr del " + addrs[0] + "/24 dev w0")
			tn.target.Release()
			time.Sleep(2 * time.Second) // the length of the gap is what is tested
			l.Run("ip -n " + l.Client + " addr add " + addrs[1] + "/24 dev w0")
			l.Run("ip -n " + l.Client + " link set w0 up")
			addrs[0], addrs[1] = addrs[1], addrs[0]
			tn.answered(t, "an answer in the other network")
			if p.oldSide == "" {
				must(t, <-done)
				tn.server.mustLog(t, "a client goes on from another address")
			}
			tn.client.kill(t)
			tn.server.kill(t)
		})
	}
}
