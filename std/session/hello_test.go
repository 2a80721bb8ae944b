package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"kcptun/std/build"
	"kcptun/std/config"
	"kcptun/std/mux"
	"kcptun/std/testkit"
)

// The settings on which both ends must agree are in the hello, to the bit.
func TestHelloSettings(t *testing.T) {
	for _, c := range []struct {
		qpp, noComp    bool
		count, smuxVer int
		want           uint32
	}{
		{false, false, 61, 1, 1 << 17},
		{false, true, 61, 2, 2<<17 | 1<<16},
		{true, false, 61, 2, 2<<17 | 61},
		{true, true, 65535, 1, 1<<17 | 1<<16 | 65535},
	} {
		cfg := config.Config{QPP: c.qpp, QPPCount: c.count, NoComp: c.noComp, SmuxVer: c.smuxVer}
		if got := helloOf(&cfg); *got != (mux.Hello{Can: canGoodbye | canFollow, Settings: c.want}) {
			t.Errorf("%+v: %+v, want %#x", c, got, c.want)
		}
		cfg.Listen = ":3000-3001"
		if got := helloOf(&cfg); got.Can != canGoodbye|canFollow|canPorts {
			t.Errorf("with several ports a server says that it can do %b", got.Can)
		}
		cfg.Crypt = "null"
		if got := helloOf(&cfg); got.Can != canGoodbye {
			t.Errorf("without a seal a server says that it can do %b", got.Can)
		}
		cfg.Mode = config.ModeAuto
		if got := helloOf(&cfg); got.Can != canGoodbye|canRuns {
			t.Errorf("in mode auto an end says that it can do %b", got.Can)
		}
	}
}

// Both ends report a QPP that differs. Previously neither did.
func TestUnreadableIsNamed(t *testing.T) {
	for _, c := range []struct {
		client, server int // counts of QPP, 0 without
		want           string
	}{
		{0, 0, ""}, {61, 61, ""},
		{61, 0, "QPP true false"}, {0, 61, "QPP false true"}, {61, 67, "QPPCount 61 67"},
	} {
		for _, mode := range []string{"fast3", config.ModeAuto} {
			if c.client+c.server > 0 && !build.QPP {
				continue
			}
			t.Run(fmt.Sprint(c.client, c.server, mode), func(t *testing.T) {
				testkit.NoLeak(t)
				cc, sc := testConfig(config.Client), testConfig(config.Server)
				cc.QPP, cc.QPPCount = c.client > 0, max(c.client, 1)
				sc.QPP, sc.QPPCount = c.server > 0, max(c.server, 1)
				cc.Mode, sc.Mode = mode, mode
				u := newTunnel(t, cc, sc)
				for _, s := range []*Session{u.client, u.server} {
					testkit.Eventually(t, "the hello", s.Greeted)
				}
				for s, end := range map[*Session]*config.Config{u.client: cc, u.server: sc} {
					got, d := "", unreadable(end, *s.mux.Hello())
					if d != nil {
						first, second := d.Ours, d.Theirs
						if end == sc {
							first, second = second, first
						}
						got = fmt.Sprintf("%s %v %v", d.Setting, first, second)
					}
					if got != c.want {
						t.Errorf("%q, want %q", got, c.want)
					}
				}
				u.closed()
			})
		}
	}
}

// An end in mode auto tells of runs in its acknowledgements if its peer is in mode auto,
// too: the engine of the other modes does not understand them.
func TestRunsAreToldInModeAuto(t *testing.T) {
	for _, mode := range []string{"fast3", config.ModeAuto} {
		testkit.NoLeak(t)
		cc, sc := testConfig(config.Client), testConfig(config.Server)
		cc.Mode, sc.Mode = config.ModeAuto, mode
		u := newTunnel(t, cc, sc)
		testkit.Eventually(t, "the hello", func() bool { return u.client.Greeted() && u.server.Greeted() })
		want := mode == config.ModeAuto
		runs := func(s *Session) bool {
			a, ok := s.engine.(*auto)
			return ok && a.View().Runs
		}
		if want {
			testkit.Eventually(t, "runs in the acknowledgements of both ends", func() bool { return runs(u.client) && runs(u.server) })
		} else if runs(u.client) {
			t.Error("a peer in mode fast3 is told of runs")
		}
		u.closed()
	}
}

// When an end leaves, its peer's session ends at once, whichever end it is. It does not
// wait for a timeout, not even if the peer does not know goodbyes.
func TestLeave(t *testing.T) {
	for _, mode := range []string{"fast3", "normal", config.ModeAuto} {
		for _, noComp := range []bool{true, false} {
			for _, client := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s,nocomp=%t,client=%t", mode, noComp, client), func(t *testing.T) {
					testkit.NoLeak(t)
					cc, sc := testConfig(config.Client), testConfig(config.Server)
					for _, c := range []*config.Config{cc, sc} {
						c.Mode, c.NoComp = mode, noComp
						_ = c.Check(config.Client) // puts the mode in force
					}
					u := newTunnel(t, cc, sc)
					leaves, stays, near, far := u.server, u.client, u.far, u.near
					want := "the server has closed it"
					if client {
						leaves, stays, near, far = u.client, u.server, u.near, u.far
						want = "the client has closed it"
					}
					if _, err := near.Write([]byte("last words")); err != nil {
						t.Fatal(err)
					}
					ended := make(chan error, 1)
					go func() {
						_, err := stays.Accept()
						stays.Close(err)
						ended <- err
					}()
					ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
					defer cancel()
					leaves.Leave(ctx, errTestEnds)
					if ctx.Err() != nil || !errors.Is(leaves.Err(), errTestEnds) {
						t.Errorf("it left by itself: %v, %v", ctx.Err(), leaves.Err())
					}
					if err := testkit.Within(t, "the other end", ended); err == nil || err.Error() != want {
						t.Errorf("%v, want %q", err, want)
					}
					if got, err := io.ReadAll(far); string(got) != "last words" || err == nil {
						t.Errorf("%q, %v", got, err)
					}
					u.closed()
				})
			}
		}
	}
}

// An end that leaves a peer that does not answer waits as long as it was told to.
func TestLeaveTheSilent(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	u.serverLink.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	u.client.Leave(ctx, errTestEnds)
	u.closed()
}
