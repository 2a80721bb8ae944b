package rawtcp

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// lab opens carriers in two namespaces.
type lab struct{ *netns.Firewalled }

const labPort = "29900"

func newLab(t testing.TB) *lab {
	t.Helper()
	return &lab{netns.NewFirewalled(t)}
}

var labFamilies = []struct{ name, server string }{
	{"IPv4", netns.Server4},
	{"IPv6", netns.Server6},
}

func options() (carrier.Options, *testkit.Logbook) {
	log, book := testkit.NewLog()
	return carrier.Options{Log: log, Notices: new(carrier.Notices), FlowsRefused: new(atomic.Uint64)}, book
}

// listen opens a carrier in the server's namespace, closed with the test; dial one in
// the client's.
func (l *lab) listen(opt carrier.Options, local string) *Conn {
	l.T.Helper()
	return l.open(l.Server, func() (*Conn, error) { return Listen(context.Background(), opt, local) })
}

func (l *lab) dial(opt carrier.Options, remote string) *Conn {
	l.T.Helper()
	return l.open(l.Client, func() (*Conn, error) {
		return Dial(context.Background(), opt, netip.MustParseAddrPort(remote))
	})
}

func (l *lab) open(ns string, f func() (*Conn, error)) (c *Conn) {
	l.T.Helper()
	if err := l.In(ns, func() (err error) { c, err = f(); return err }); err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { l.Close(ns, c.Close) })
	return c
}

// carriers are a listening and a dialled carrier in the namespaces.
func (l *lab) carriers(opt carrier.Options, remote string) (client, server *Conn) {
	l.T.Helper()
	server = l.listen(opt, ":"+labPort)
	return l.dial(opt, remote), server
}

// pair returns carriers, the client of which has sent a datagram, and its flow at the
// server.
func (l *lab) pair(opt carrier.Options, remote string) (client, server *Conn, f *flow) {
	l.T.Helper()
	client, server = l.carriers(opt, remote)
	testkit.Eventually(l.T, "the server has accepted", func() bool {
		f = server.flows.get(carrier.Unmap(client.local.(*net.TCPAddr).AddrPort()))
		return f != nil
	})
	if _, err := client.Send(datagramTo(remote, []byte("hello"))); err != nil {
		l.T.Fatal(err)
	}
	in, err := server.Recv()
	if err != nil || len(in) != 1 || string(in[0].Data) != "hello" || in[0].From != f.peer {
		l.T.Fatalf("received %v: %v", in, err)
	}
	in[0].Path.Confirm(&in[0].Numbers)
	return client, server, f
}

func datagramTo(remote string, data []byte) []*carrier.Batch {
	way := carrier.NewWay(netip.MustParseAddrPort(remote))
	return []*carrier.Batch{{Way: way, Buf: data, Size: len(data), Count: 1}}
}
