package std

import (
	"io"
	"net"
	"testing"
	"time"

	"kcptun/std/testkit"
)

// soon is far below the 5 s after which kcp-go's next tick comes while a session
// dozes, and far above what is waited for.
const soon = 3 * time.Second

// newDozing is a tunnel over a cable, with a stream. Both sessions are asleep.
func newDozing(t *testing.T) (*tunnel, *testkit.Cable) {
	t.Helper()
	cc, sc := testConfig(Client), testConfig(Server)
	cc.NoComp, sc.NoComp = true, true
	var way *testkit.Cable
	u := newTunnelBy(t, cc, sc, func(server net.Addr) net.Addr {
		way = testkit.NewCable(t, server)
		return way.Addr()
	})
	u.doze(t)
	return u, way
}

// doze waits until both sessions are asleep.
func (u *tunnel) doze(t *testing.T) {
	t.Helper()
	for _, s := range []*Session{u.client, u.server} {
		testkit.Eventually(t, "a session falls asleep", func() bool {
			s.doze.mu.Lock()
			defer s.doze.mu.Unlock()
			return s.doze.asleep
		})
	}
}

// A burst after idleness that fills the window, and is lost whole, is sent again
// after the timeout of KCP. It used to wait for kcp-go's next tick.
func TestBurstAfterDozingIsSentAgain(t *testing.T) {
	u, way := newDozing(t)
	way.Cut.Store(true)
	time.AfterFunc(300*time.Millisecond, func() { way.Cut.Store(false) })
	const size = 256 << 10 // more than the window
	go func() { _, _ = u.near.Write(make([]byte, size)) }()
	begun := time.Now()
	if _, err := io.ReadFull(u.far, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > soon {
		t.Errorf("took %v after 0.3 s without a network", took)
	}
}

// pass moves one byte over a stream.
func pass(t *testing.T, from io.Writer, to io.Reader) {
	t.Helper()
	if _, err := from.Write([]byte{'x'}); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// An answer to what has woken a session up carries all that KCP owes then, so the
// session waits with its next tick. When the answer is lost, it does not wait long.
func TestAnswerAfterDozingIsSentAgain(t *testing.T) {
	u, way := newDozing(t)
	pass(t, u.near, u.far)
	way.Cut.Store(true)
	time.AfterFunc(100*time.Millisecond, func() { way.Cut.Store(false) })
	begun := time.Now()
	pass(t, u.far, u.near)
	if took := time.Since(begun); took > soon {
		t.Errorf("took %v after 0.1 s without a network", took)
	}
}

// What comes after the answer is acknowledged as if there had been none.
func TestMoreAfterTheAnswer(t *testing.T) {
	u, _ := newDozing(t)
	for range 3 {
		pass(t, u.near, u.far)
		pass(t, u.far, u.near)
		pass(t, u.near, u.far)
		begun := time.Now()
		testkit.Eventually(t, "all is acknowledged", func() bool { return u.client.peer.InFlight() == 0 })
		if took := time.Since(begun); took > soon {
			t.Errorf("acknowledged after %v", took)
		}
		u.doze(t)
	}
}

// A keepalive wakes both ends up, and they fall asleep again at their first chance.
func TestDozesAgainAfterKeepalive(t *testing.T) {
	u, _ := newDozing(t)
	for range 3 {
		before := u.server.peer.Activity()
		if err := u.client.mux.Nop(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the server has heard of it", func() bool { return u.server.peer.Activity() != before })
		u.doze(t)
		for _, s := range []*Session{u.client, u.server} {
			if n := s.peer.InFlight(); n != 0 {
				t.Errorf("asleep with %d segments in flight", n)
			}
		}
	}
}

func TestTogether(t *testing.T) {
	const grid = 50 * time.Millisecond
	for _, d := range []time.Duration{0, time.Nanosecond, grid - 1, grid, 7*grid + 3} {
		before := time.Since(clock)
		wait := together(d, grid)
		after := time.Since(clock)
		if (after+wait)/grid*grid < before+wait { // the clock was read between the two
			t.Errorf("%v later: waiting %v does not end at a multiple", d, wait)
		}
		if wait < d || wait >= d+grid {
			t.Errorf("%v later: waiting %v", d, wait)
		}
	}
}

// Error correction gives its memory back with a keepalive. Talk that pauses for less
// than a second keeps its groups.
func TestRestsUnlessThereIsTalk(t *testing.T) {
	for _, c := range []struct {
		slept time.Duration // before it is woken, at the least
		talk  bool
	}{{10 * time.Second, false}, {oftenWoken, false}, {-time.Hour, true}} {
		u, _ := newDozing(t)
		d := u.client.doze
		d.mu.Lock()
		d.slept = time.Now().Add(-c.slept)
		d.mu.Unlock()
		if err := u.client.mux.Nop(); err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		talk := d.talk
		d.mu.Unlock()
		if talk != c.talk {
			t.Errorf("woken after %v: talk %v", c.slept, talk)
		}
		u.doze(t)
	}
}
