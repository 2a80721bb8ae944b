package session

import (
	"io"
	"net"
	"testing"
	"time"

	"kcptun/std/clock"
	"kcptun/std/config"
	"kcptun/std/testkit"
)

// soon is far below the 5 s after which kcp-go's next tick comes while a session
// dozes, and far above what is waited for.
const soon = 3 * time.Second

// newDozing is a tunnel over a cable, with a stream. Both sessions are asleep.
func newDozing(t *testing.T) (*tunnel, *testkit.Cable) {
	t.Helper()
	return newDozingBy(t, testConfig(config.Client), testConfig(config.Server))
}

// newDozingBy is newDozing with other settings.
func newDozingBy(t *testing.T, cc, sc *config.Config) (*tunnel, *testkit.Cable) {
	t.Helper()
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
		testkit.Eventually(t, "a session falls asleep", classicOf(s).doze.isAsleep)
	}
}

// isAsleep tells whether the session is asleep, and kcp-go's tick that was pending then
// has come: the next one is about slowInterval away.
func (d *dozer) isAsleep() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state == asleep && clock.Now()-d.sleptAt > 5*d.interval
}

// A burst that fills the window after an idle period and is lost entirely is retransmitted
// after KCP's timeout. It used to wait for kcp-go's next tick.
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

// The answer to a packet that wakes a session carries everything that KCP owes by then, so
// the session delays its next tick. If the answer is lost, the delay is short.
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

// What arrives after the answer is acknowledged as if there had been no answer.
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

// A keepalive wakes both ends, and they fall asleep again as soon as they can.
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

// Each state, each event, and what comes of it.
func TestDozeStates(t *testing.T) {
	for _, c := range []struct {
		state      dozeState
		event      dozeEvent
		idle, came bool
		next       dozeState
		do         dozeAction
	}{
		{awake, onTimer, false, true, awake, doWatch},
		{awake, onTimer, false, false, awake, doWatch},
		{awake, onTimer, true, true, asleep, doSlowDown},
		{awake, onTimer, true, false, asleep, doSlowDown},
		{awake, onWake, false, true, awake, doNothing},
		{awake, onWake, true, false, awake, doNothing},
		{asleep, onTimer, true, true, asleep, doNothing},
		{asleep, onTimer, false, false, asleep, doNothing},
		{asleep, onWake, true, true, woken, doSpeedUp},
		{asleep, onWake, false, false, woken, doSpeedUp},
		{woken, onTimer, false, false, woken, doTick},
		{woken, onTimer, false, true, awake, doWatch},
		{woken, onTimer, true, false, asleep, doSlowDown},
		{woken, onTimer, true, true, asleep, doSlowDown},
		{woken, onWake, false, false, woken, doNothing},
		{woken, onWake, true, true, woken, doNothing},
	} {
		if next, do := c.state.on(c.event, c.idle, c.came); next != c.next || do != c.do {
			t.Errorf("state %d, event %d, idle %v, came %v: state %d, action %d; want %d, %d",
				c.state, c.event, c.idle, c.came, next, do, c.next, c.do)
		}
	}
}

// After close nothing happens any more, whatever the state was.
func TestDozerCloses(t *testing.T) {
	for _, state := range []dozeState{awake, asleep, woken} {
		u, _ := newDozing(t)
		d := classicOf(u.client).doze
		d.mu.Lock()
		d.state = state
		d.timer.Reset(time.Hour)
		d.mu.Unlock()
		d.close()
		d.on(onWake)
		d.on(onTimer)
		if d.state != state || d.timer.Stop() {
			t.Errorf("closed in state %d: it is %d now, or its timer runs", state, d.state)
		}
		u.closed()
	}
}

// Error correction gives its memory back with a keepalive. Where packets come more than
// once a second it keeps its groups.
func TestRestsUnlessPacketsComeOften(t *testing.T) {
	for _, c := range []struct {
		slept time.Duration // before it is woken, at the least
		rests bool
	}{{10 * time.Second, true}, {briefSleep, true}, {-time.Hour, false}} {
		u, _ := newDozing(t)
		d := classicOf(u.client).doze
		d.mu.Lock()
		d.sleptAt = clock.Now() - c.slept
		d.mu.Unlock()
		if err := u.client.mux.Nop(); err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		rests := !d.isBrief()
		d.mu.Unlock()
		if rests != c.rests {
			t.Errorf("woken after %v: rests %v", c.slept, rests)
		}
		u.doze(t)
	}
}

// A packet that wakes a session finds kcp-go's normal interval in force, because KCP
// derives its retransmission timeout from it.
func TestTimeoutAfterDozing(t *testing.T) {
	u, _ := newDozing(t)
	for range 3 {
		pass(t, u.near, u.far)
		pass(t, u.far, u.near)
		u.doze(t)
		for _, s := range []*Session{u.client, u.server} {
			if rto := time.Duration(classicOf(s).GetRTO()) * time.Millisecond; rto >= slowInterval {
				t.Errorf("the retransmission timeout is %v", rto)
			}
		}
	}
}
