package link

import (
	"context"
	"testing"

	"kcptun/std/testkit/netns"
)

// udpLab opens links over UDP in two namespaces.
type udpLab struct{ *netns.Lab }

func newLab(t testing.TB, programs ...string) *udpLab {
	t.Helper()
	return &udpLab{netns.New(t, programs...)}
}

// listenUDP opens a link in the server's namespace, closed with the test; dialUDP one in
// the client's.
func (l *udpLab) listenUDP(opt Options, local string) *Conn {
	return openIn(l.Lab, l.Server, func() (*Conn, error) { return Listen(context.Background(), opt, local) })
}

func (l *udpLab) dialUDP(opt Options, remote string) *Conn {
	return openIn(l.Lab, l.Client, func() (*Conn, error) { return Dial(context.Background(), opt, remote) })
}

func openIn(l *netns.Lab, ns string, f func() (*Conn, error)) (c *Conn) {
	l.T.Helper()
	if err := l.In(ns, func() (err error) { c, err = f(); return err }); err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { l.Close(ns, c.Close) })
	return c
}

// tcpLab opens links over the imitation of TCP there.
type tcpLab struct{ *netns.Firewalled }

const labPort = "29900"

func newTCPLab(t testing.TB) *tcpLab {
	t.Helper()
	return &tcpLab{netns.NewFirewalled(t)}
}

func (l *tcpLab) listen(opt Options, local string) *Conn {
	return openIn(l.Lab, l.Server, func() (*Conn, error) { return ListenTCP(context.Background(), opt, local) })
}

func (l *tcpLab) dial(opt Options, remote string) *Conn {
	return openIn(l.Lab, l.Client, func() (*Conn, error) { return DialTCP(context.Background(), opt, remote) })
}
