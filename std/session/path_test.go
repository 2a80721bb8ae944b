package session

import (
	"io"
	"slices"
	"testing"
	"time"

	"kcptun/std/clock"
	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/testkit"
)

// A watch that has not run for longer than a peer keeps a silent session says that the
// program stood still, and not before.
func TestPathWatchNoticesSleep(t *testing.T) {
	const limit = 30 * time.Second
	w := newPathWatch(nil, nil, limit)
	defer w.close()
	ago := func(d time.Duration) { w.ran.Store(int64(clock.WithSleep() - d)) }
	if ago(limit - 10*time.Second); w.running() {
		t.Error("asleep, and it ran a moment ago")
	}
	if ago(limit + time.Millisecond); !w.running() {
		t.Error("not asleep after", limit)
	}
	testkit.Within(t, "it is told", w.slept)
	if !w.running() {
		t.Error("forgotten at the next look")
	}
}

// Each new stream asks whether the program has slept. The system is not asked that often.
func TestPathWatchAsksSystemSeldom(t *testing.T) {
	const limit = 30 * time.Second
	w := newPathWatch(nil, nil, limit)
	defer w.close()
	w.ran.Store(int64(clock.WithSleep() - 2*limit))
	w.checked.Store(int64(clock.Now() + time.Hour)) // a moment ago, on a machine of any speed
	if w.hasSlept() {
		t.Error("the system was asked again at once")
	}
	w.checked.Store(int64(clock.Now() - sleepLook))
	for range 2 {
		if !w.hasSlept() {
			t.Error("asleep, and not noticed later")
		}
	}
}

// A download that falls silent is asked about once, and an idle session is not.
func TestPathWatchAsksOnceAfterATransfer(t *testing.T) {
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	asked := make(chan struct{}, 100)
	u.client.path.onSilence(func() {
		now, since := clock.Now(), time.Duration(u.client.path.since.Load())
		if heard, _ := u.client.peer.Silence(); heard >= askAfter && since < now-heard+askAfter {
			t.Error("the answer was owed before it was asked for")
		}
		asked <- struct{}{}
	}, nil)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for buf := make([]byte, 4<<10); err == nil; {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(5 * time.Millisecond):
				_, err = u.far.Write(buf)
			}
		}
		done <- err
	}()
	go func() { _, _ = io.Copy(io.Discard, u.near) }()
	testkit.Eventually(t, "a transfer is seen", func() bool {
		u.client.path.mu.Lock()
		defer u.client.path.mu.Unlock()
		return u.client.path.bulk
	})
	close(stop)
	if err := testkit.Within(t, "the end of the transfer", done); err != nil {
		t.Fatal(err)
	}
	testkit.Within(t, "the server is asked", asked)
	testkit.Eventually(t, "the watch pauses", func() bool { return !u.client.path.watching.Load() })
	if len(asked) > 0 {
		t.Error("asked again")
	}
	u.closed()
}

// A silent server is asked again and again, also when its path was found to be dead. A
// network that was back used to be noticed, after a while without it, at KCP's next
// retransmission, whose pauses double.
func TestPathWatchAsksTheSilent(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	asked := make(chan struct{}, 1000)
	u.client.path.onSilence(func() { asked <- struct{}{} }, func() {})
	u.serverLink.Close()
	if _, err := u.near.Write([]byte("is there anybody?")); err != nil {
		t.Fatal(err)
	}
	testkit.Within(t, "it is asked", asked)
	testkit.Within(t, "its path is dead", u.client.DeadPath())
	for len(asked) > 0 {
		<-asked
	}
	testkit.Within(t, "it is asked again", asked)
	testkit.Within(t, "and again", asked)
	u.closed()
	u.client.Close(errTestEnds)
	for len(asked) > 0 {
		<-asked
	}
}

// A peer that owes an answer is not asked again, however often it is doubted.
func TestDoubtAsksOnce(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	u.client.path.onSilence(func() {}, func() {})
	testkit.Eventually(t, "nothing is owed", func() bool { return u.client.peer.InFlight() == 0 })
	u.serverLink.Close()
	const doubts = 50
	for range doubts {
		u.client.Doubt()
		if err := u.client.mux.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := u.client.peer.InFlight(); n < 1 || n > doubts/2 {
		t.Errorf("asked %d times", n)
	}
	if !u.client.Stalled() {
		t.Error("it is not doubted")
	}
	u.closed()
	u.client.Close(errTestEnds)
}

// A write just when the watch pauses is watched.
func TestPathWatchMissesNoWrite(t *testing.T) {
	w := newPathWatch(new(link.Peer), func() time.Duration { return time.Second }, time.Hour)
	defer w.close()
	w.sending()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pause(); w.watching.Load() {
		t.Error("it does not pause, and there was no write")
	}
	w.watching.Store(true)
	w.writes.Add(1) // after look has read it, and before pause
	if w.pause(); !w.watching.Load() {
		t.Error("it pauses")
	}
}

// peerOf is a peer as the watch of a path sees it, which was never heard.
type peerOf struct{ owes, held bool }

func (p *peerOf) OwesUs() bool                   { return p.owes }
func (p *peerOf) IsHeld() bool                   { return p.held }
func (p *peerOf) Activity() uint64               { return 0 }
func (p *peerOf) Silence() (time.Duration, bool) { return 0, false }

// The watch stays awake while the rate limit holds a datagram back: it was written before, and
// nothing wakes the watch when it leaves. Then a dead path was found by the keepalive only.
func TestPathWatchWaitsForWhatIsHeld(t *testing.T) {
	p := &peerOf{held: true}
	w := newPathWatch(p, func() time.Duration { return time.Second }, time.Hour)
	defer w.close()
	w.sending()
	for _, c := range []struct {
		name     string
		now      peerOf
		watching bool
	}{
		{"held back", peerOf{held: true}, true},
		{"on the way", peerOf{owes: true}, true},
		{"acknowledged", peerOf{}, false},
	} {
		*p = c.now
		if w.look(); w.watching.Load() != c.watching {
			t.Errorf("%s: the watch is awake: %v", c.name, !c.watching)
		}
	}
}

// A session that nobody answers moves again and again, at growing intervals, and begins
// anew once it was heard. It used to stay for good where its path was once found to be dead.
func TestPathWatchKeepsMoving(t *testing.T) {
	const patience = 3 * time.Second
	var w pathWatch
	moves := func(from, to time.Duration) (at []time.Duration) {
		for silent := from; silent <= to; silent += watchPeriod {
			if w.mayMove(silent, patience) {
				at = append(at, silent)
			}
		}
		return at
	}
	for _, c := range []struct {
		name     string
		from, to time.Duration
		want     []time.Duration
	}{
		{"a short silence", 0, 750 * time.Millisecond, nil},
		{"a long one", 0, 3 * time.Minute, []time.Duration{
			1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
			16 * time.Second, 32 * time.Second, 64 * time.Second, 124 * time.Second,
		}},
		{"it was heard", 0, 3 * time.Second, []time.Duration{1 * time.Second, 2 * time.Second}},
		{"it was heard at the last tick but one", 250 * time.Millisecond, time.Second, []time.Duration{time.Second}},
	} {
		if got := moves(c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%s: it moves at %v, not at %v", c.name, got, c.want)
		}
	}
}
