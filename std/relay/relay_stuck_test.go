package relay

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/mux"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// The path is dead and the window full. An application that finishes then is cut off after
// closewait, like any other. The relay used to block when passing its EOF on, until the
// session ended half a minute later.
func TestRelayOnAStuckSession(t *testing.T) {
	testkit.NoLeak(t)
	cc, sc := sessions.Config(config.Client), sessions.Config(config.Server)
	var cable *testkit.Cable
	u := sessions.NewPairBy(t, cc, sc, func(server net.Addr) net.Addr {
		cable = testkit.NewCable(t, server)
		return cable.Addr()
	})
	others := make([]*mux.Stream, 2)
	for i := range others {
		others[i], _ = u.Open(t)
	}
	cable.Cut.Store(true)
	var written atomic.Int64
	full := make(chan error, len(others))
	for _, st := range others { // one is then writing to the connection, the other waits for room
		go func() {
			for p := make([]byte, 1<<10); ; {
				n, err := st.Write(p)
				if written.Add(int64(n)); err != nil {
					full <- err
					return
				}
			}
		}()
	}
	still(t, "the window to be full", &written)
	app, a := testkit.TCPPair(t)
	done := make(chan Result, 1)
	go func() { done <- Between(a, u.Near, 100*time.Millisecond) }()
	closeWrite(t, app)
	if got := testkit.Within(t, "the relay ends", done); !errors.Is(got.ErrB, errSilent) {
		t.Errorf("%+v", got)
	}
	u.Close()
	for range others {
		testkit.Within(t, "another stream's end", full)
	}
}
