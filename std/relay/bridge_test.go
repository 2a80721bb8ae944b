package relay

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/testkit"
)

// bridge is a session over UDP on this machine, set up as the two programs do it, with one
// stream.
type bridge struct {
	client, server *session.Session
	near, far      *mux.Stream // the first stream at the client and at the server
	closed         func()
}

// endConfig returns settings of an end under which nothing has to wait.
func endConfig(r config.Role) *config.Config {
	c := config.Default(r)
	c.Mode, c.Crypt, c.SockBuf = "fast3", "aes-128-gcm", 1<<20
	_ = c.Check(r) // applies the mode
	return &c
}

// padFor returns the pad that the settings ask for.
func padFor(c *config.Config) *Pad {
	if !c.QPP {
		return nil
	}
	return NewPad(c.QPPCount, c.Key)
}

func optionsOf(t testing.TB, c *config.Config) link.Options {
	t.Helper()
	opt, err := session.LinkOptions(c, slog.New(slog.DiscardHandler), new(link.Stats))
	if err != nil {
		t.Fatal(err)
	}
	return opt
}

func newBridge(t testing.TB, cc, sc *config.Config) *bridge {
	t.Helper()
	return newBridgeBy(t, cc, sc, func(server net.Addr) net.Addr { return server })
}

// newBridgeBy does what newBridge does, but the client sends to the address that way makes
// of the server's.
func newBridgeBy(t testing.TB, cc, sc *config.Config, way func(server net.Addr) net.Addr) *bridge {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	at, err := link.Listen(ctx, optionsOf(t, sc), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sessions := session.New(sc)
	lis, err := sessions.Listen(at, at)
	if err != nil {
		t.Fatal(err)
	}
	l, err := link.Dial(ctx, optionsOf(t, cc), way(at.LocalAddr()).String())
	if err != nil {
		t.Fatal(err)
	}
	b := new(bridge)
	if b.client, err = session.New(cc).Client(l, rand.Uint32()); err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := lis.Accept()
		if err == nil {
			b.server, err = sessions.Server(ctx, c, func(session.Difference) {})
		}
		if err == nil {
			b.far, err = b.server.Accept()
		}
		accepted <- err
	}()
	if b.near, err = b.client.Open(); err != nil {
		t.Fatal(err)
	}
	if err := testkit.Within(t, "the server's session", accepted); err != nil {
		t.Fatal(err)
	}
	b.closed = sync.OnceFunc(func() {
		at.Close()
		dropAll(lis)
		reason := errors.New("test ends")
		b.client.Close(reason)
		b.server.Close(reason)
	})
	t.Cleanup(b.closed)
	return b
}

// dropAll accepts and drops conversations until the listener ends. A listener of kcp-go
// takes late packets of old conversations for new ones.
func dropAll(lis session.Listener) {
	for errs := 0; errs < 50; { // with both a conversation and an error available, it returns either
		c, err := lis.Accept()
		if err != nil {
			errs++
			continue
		}
		c.Drop()
	}
	lis.Close()
}

// open opens another stream.
func (b *bridge) open(t testing.TB) (near, far *mux.Stream) {
	t.Helper()
	near, err := b.client.Open()
	if err != nil {
		t.Fatal(err)
	}
	far, err = b.server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}
