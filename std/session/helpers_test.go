package session

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/mux"
	"kcptun/std/rescue"
	"kcptun/std/testkit"
)

// tunnel is a client's and the server's session with one stream between them.
type tunnel struct {
	clients, servers *Maker
	client, server   *Session
	near, far        *mux.Stream // the first stream at the client and at the server
	clientLink       *link.Conn
	serverLink       *link.Conn
	notes            []string // settings in which the client differs
	closed           func()
}

// open opens another stream.
func (u *tunnel) open(t testing.TB) (near, far *mux.Stream) {
	t.Helper()
	near, err := u.client.Open()
	if err != nil {
		t.Fatal(err)
	}
	far, err = u.server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

// testConfig are settings of an end under which nothing has to wait.
func testConfig(r config.Role) *config.Config {
	c := config.Default(r)
	c.Mode, c.Crypt, c.SockBuf = "fast3", "aes-128-gcm", 1<<20
	_ = c.Check(r) // puts the mode in force
	return &c
}

func linkOptions(t testing.TB, c *config.Config) link.Options {
	t.Helper()
	opt, err := LinkOptions(c, slog.New(slog.DiscardHandler), new(link.Stats))
	if err != nil {
		t.Fatal(err)
	}
	return opt
}

// newTunnel makes a session over UDP on this machine, as the two programs do.
func newTunnel(t testing.TB, cc, sc *config.Config) *tunnel {
	t.Helper()
	return newTunnelBy(t, cc, sc, func(server net.Addr) net.Addr { return server })
}

// newTunnelBy is newTunnel, but the client sends to what way makes of the server's
// address.
func newTunnelBy(t testing.TB, cc, sc *config.Config, way func(server net.Addr) net.Addr) *tunnel {
	t.Helper()
	return newTunnelIn(t, cc, sc, way, nil)
}

// newTunnelIn is newTunnelBy, but panics are caught.
func newTunnelIn(t testing.TB, cc, sc *config.Config, way func(server net.Addr) net.Addr, panics *rescue.Net) *tunnel {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	u := new(tunnel)
	var err error
	options := linkOptions(t, sc)
	options.Panics = panics
	u.serverLink, err = link.Listen(ctx, options, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := New(sc)
	server.Panics = panics
	lis, err := server.Listen(u.serverLink, u.serverLink)
	if err != nil {
		t.Fatal(err)
	}
	options = linkOptions(t, cc)
	options.Panics = panics
	u.clientLink, err = link.Dial(ctx, options, way(u.serverLink.LocalAddr()).String())
	if err != nil {
		t.Fatal(err)
	}
	u.clients, u.servers = New(cc), server
	u.clients.Panics = panics
	u.client, err = u.clients.Client(u.clientLink, rand.Uint32())
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := lis.Accept()
		if err == nil {
			u.server, err = server.Server(ctx, c, func(d Difference) {
				u.notes = append(u.notes, d.Setting)
			})
		}
		if err == nil {
			u.far, err = u.server.Accept()
		}
		accepted <- err
	}()
	if u.near, err = u.client.Open(); err != nil {
		t.Fatal(err)
	}
	if err := testkit.Within(t, "the server's session", accepted); err != nil {
		t.Fatal(err)
	}
	u.closed = sync.OnceFunc(func() {
		closeSessions(u.serverLink, lis)
		u.client.Close(errTestEnds)
		u.server.Close(errTestEnds)
	})
	t.Cleanup(u.closed)
	return u
}

// closeListener closes a link and its listener before the sessions on them are
// closed: the listener takes a late packet of a closed session for a new one.
func closeListener(l *link.Conn, lis *kcp.Listener) {
	l.Close()
	for errs := 0; errs < 50; { // with a session and an error at hand it picks either
		k, err := lis.AcceptKCP() // an error comes when the listener's reader has ended
		if err != nil {
			errs++
			continue
		}
		k.Close()
	}
	lis.Close()
}

var errTestEnds = errors.New("test ends")

// closeSessions is closeListener for what accepts sessions.
func closeSessions(l *link.Conn, lis Listener) {
	if c, ok := lis.(*classicListener); ok {
		closeListener(l, c.Listener)
		return
	}
	lis.Close()
	l.Close()
}

// classicOf is the engine of a session in a classic mode.
func classicOf(s *Session) *classic { return s.engine.(*classic) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
