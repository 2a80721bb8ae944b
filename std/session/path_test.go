package session

import (
	"testing"
	"time"

	"kcptun/std/clock"
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
