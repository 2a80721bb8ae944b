package session

import (
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/testkit"
)

// A session whose target does not read, so that its receiver is paused, still notices
// that its KCP is closed, and lives on while the peer does.
func TestPausedSessionEnds(t *testing.T) {
	cc, sc := testConfig(config.Client), testConfig(config.Server)
	for _, c := range []*config.Config{cc, sc} {
		c.NoComp, c.SmuxVer, c.SmuxBuf, c.StreamBuf, c.KeepAlive = true, 1, 64<<10, 64<<10, 1
	}
	u := newTunnel(t, cc, sc)
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_, _ = u.near.Write(make([]byte, 4<<20))
	}()
	testkit.Eventually(t, "the client has no room left", func() bool { return u.clientLink.Peer().Busy() && u.clientLink.Peer().InFlight() == 0 })
	testkit.Eventually(t, "nothing is owed", func() bool { return !u.client.path.watching.Load() })
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
