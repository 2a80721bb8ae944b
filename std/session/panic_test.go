package session

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/rescue"
	"kcptun/std/testkit"
)

// A panic in a timer of a session, over a packet of it that is sent or that comes, ends that
// session alone, with its reason. It used to end the program.
func TestPanicEndsItsSession(t *testing.T) {
	// atPacket panics at the next packet that is sent to the peer or comes from it.
	atPacket := func(p *link.Peer) { p.OnWake(func() { panic("injected") }) }
	for name, c := range map[string]struct {
		mode   string
		server bool // it is the server that panics
		inject func(u *tunnel)
	}{
		"the clock of an idle session": {"fast3", false, func(u *tunnel) {
			d := classicOf(u.client).doze
			d.mu.Lock()
			d.peer = nil
			d.mu.Unlock()
		}},
		"the watch of the path": {"fast3", false, func(u *tunnel) {
			w := u.client.path
			w.mu.Lock()
			w.timeout = func() time.Duration { panic("injected") }
			w.mu.Unlock()
			_, _ = u.near.Write([]byte("begin to watch"))
		}},
		"a packet is sent": {"fast3", true, func(u *tunnel) {
			atPacket(u.server.peer)
			_, _ = u.far.Write([]byte("x"))
		}},
		"a packet comes": {"fast3", true, func(u *tunnel) {
			atPacket(u.server.peer)
			_, _ = u.near.Write([]byte("x"))
		}},
		"a packet comes to a client": {"fast3", false, func(u *tunnel) {
			atPacket(u.client.peer)
			_, _ = u.far.Write([]byte("x"))
		}},
		"a packet comes, auto": {config.ModeAuto, true, func(u *tunnel) {
			atPacket(u.server.peer)
			_, _ = u.near.Write([]byte("x"))
		}},
		"a packet comes to a client, auto": {config.ModeAuto, false, func(u *tunnel) {
			atPacket(u.client.peer)
			_, _ = u.far.Write([]byte("x"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			log, book := testkit.NewLog()
			panics := &rescue.Net{Log: log}
			cc, sc := testConfig(config.Client), testConfig(config.Server)
			cc.Mode, sc.Mode = c.mode, c.mode
			u := newTunnelIn(t, cc, sc, func(server net.Addr) net.Addr { return server }, panics)
			victim := u.client
			if c.server {
				victim = u.server
			}
			c.inject(u)
			testkit.Within(t, "the end of the session", victim.mux.Ended())
			_, err := victim.Accept()
			victim.Close(err)
			var failure *rescue.Panic
			if !errors.As(victim.Err(), &failure) {
				t.Errorf("the reason is %v", victim.Err())
			}
			if panics.Caught() != 1 {
				t.Errorf("%d panics caught", panics.Caught())
			}
			testkit.Contains(t, book.String(), "panic, its stream or session ends", "stack=")
			if c.server {
				answers(t, u, cc)
			}
			u.closed()
		})
	}
}

// answers checks that the server's link takes in what another client sends.
func answers(t *testing.T, u *tunnel, cfg *config.Config) {
	t.Helper()
	l, err := link.Dial(context.Background(), linkOptions(t, cfg), u.serverLink.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg).Client(l, 99)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(errTestEnds)
	if err := s.Probe(); err != nil {
		t.Fatal(err)
	}
	testkit.Within(t, "an answer to another client", s.FirstAnswer())
}

// A panic of the link while kcp-go sends is an error for kcp-go, which ends the session.
func TestGuardedWrite(t *testing.T) {
	log, _ := testkit.NewLog()
	g := guarded{nil, &rescue.Net{Log: log}} // a link that is not there
	var failure *rescue.Panic
	if _, err := g.WriteTo(make([]byte, 1), nil); !errors.As(err, &failure) || g.panics.Caught() != 1 {
		t.Errorf("%v, %d panics caught", err, g.panics.Caught())
	}
}
