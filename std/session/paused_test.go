package session

import (
	"context"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/testkit"
)

// A session whose target does not read, so that its receiver is paused or its stream has no
// window, still notices that its KCP is closed, and lives on while the peer does.
func TestPausedSessionEnds(t *testing.T) {
	for _, c := range []struct {
		name, mode string
		version    int
		shut       bool // the window of KCP, and the watch of the path sleeps; elsewhere keepalives may keep it awake
	}{{"smux 1", "fast", 1, true}, {"smux 2", "fast", 2, false}, {"smux 1, auto", "auto", 1, false}, {"smux 2, auto", "auto", 2, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cc, sc := testConfig(config.Client), testConfig(config.Server)
			for _, cfg := range []*config.Config{cc, sc} {
				cfg.Mode, cfg.NoComp, cfg.SmuxVer, cfg.SmuxBuf, cfg.StreamBuf, cfg.KeepAlive = c.mode, true, c.version, 64<<10, 64<<10, 1
			}
			pausedSessionEnds(t, newTunnel(t, cc, sc), c.shut)
		})
	}
}

// fill writes more than fits, and waits until what fits has arrived. wrote is closed when the
// write ends.
func (u *tunnel) fill(t *testing.T) (wrote chan struct{}) {
	t.Helper()
	wrote = make(chan struct{})
	go func() {
		defer close(wrote)
		_, _ = u.near.Write(make([]byte, 4<<20))
	}()
	testkit.Eventually(t, "what fits has arrived", func() bool {
		sent, acked := u.clientLink.Peer().Progress()
		return sent >= 32 && acked == sent
	})
	return wrote
}

func pausedSessionEnds(t *testing.T, u *tunnel, shut bool) {
	wrote := u.fill(t)
	if shut {
		testkit.Eventually(t, "the client has no room left", func() bool { return u.clientLink.Peer().Busy() && u.clientLink.Peer().InFlight() == 0 })
		testkit.Eventually(t, "nothing is owed", func() bool { return !u.client.path.watching.Load() })
	}
	ran := u.client.path.ran.Load()
	testkit.Eventually(t, "the client knows that it is running", func() bool { return u.client.path.ran.Load() != ran })
	if silent := u.server.peer.Lifeless(); silent > 20*time.Second {
		t.Errorf("no sign of life of a living client for %v", silent)
	}
	u.server.engine.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := u.server.Accept()
		ended <- err
	}()
	if err := testkit.Within(t, "the end of the session", ended); err == nil {
		t.Error("no error")
	}
	u.closed()
	<-wrote
}

// What the other end has no room for is not waited for, however long it says that it lives.
func TestDrainUnlessStuck(t *testing.T) {
	for _, mode := range []string{"fast", "auto"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cc, sc := testConfig(config.Client), testConfig(config.Server)
			for _, cfg := range []*config.Config{cc, sc} {
				cfg.Mode, cfg.NoComp, cfg.SmuxVer, cfg.SmuxBuf, cfg.StreamBuf, cfg.KeepAlive = mode, true, 1, 64<<10, 64<<10, 1
			}
			u := newTunnel(t, cc, sc)
			wrote := u.fill(t)
			stuck := make(chan error, 1)
			go func() { stuck <- u.client.DrainUnlessStuck(context.Background(), time.Millisecond) }()
			if err := testkit.Within(t, "it gives up", stuck); err != ErrUndelivered {
				t.Error(err)
			}
			u.closed()
			testkit.Within(t, "the writer ends", wrote)
		})
	}
}
