package udp

import (
	"testing"
	"time"
)

func TestLull(t *testing.T) {
	const large, small = 1350, 64
	for _, c := range []struct {
		name              string
		every             time.Duration // between calls
		messages, size    int
		merged, wantPause bool
	}{
		{"one by one and close together", 12 * time.Microsecond, 1, large, false, true},
		{"a few at a time", 50 * time.Microsecond, 3, large, false, true},
		{"at the pace of a slower network", 100 * time.Microsecond, 1, large, false, false},
		{"small ones, as of requests", 12 * time.Microsecond, 1, small, false, false},
		{"put together by the system", 12 * time.Microsecond, 1, 48 * large, true, false},
		{"as many as there is room for", 12 * time.Microsecond, 8, large, false, false},
		{"to and fro", 150 * time.Microsecond, 2, large, false, false},
	} {
		var l lull
		now := time.Unix(1e9, 0)
		pauses := 0
		const calls = 1000
		for range calls {
			now = now.Add(c.every)
			if l.pause(now, c.messages, c.messages*c.size, 8, c.merged) > 0 {
				pauses++
			}
		}
		if paused := pauses > calls/4; paused != c.wantPause || !paused && pauses > 0 {
			t.Errorf("%s: %d pauses", c.name, pauses)
		}
	}
}

// The first datagrams after a burst are not delayed because of it.
func TestLullEnds(t *testing.T) {
	var l lull
	now := time.Unix(1e9, 0)
	burst := func() time.Duration {
		var last time.Duration
		for range 1000 {
			now = now.Add(12 * time.Microsecond)
			last = l.pause(now, 1, 1350, 8, false)
		}
		return last
	}
	if burst() == 0 {
		t.Fatal("no pause in a burst")
	}
	now = now.Add(time.Second)
	if d := l.pause(now, 1, 1350, 8, false); d != 0 {
		t.Errorf("a pause of %v a second after it", d)
	}
	if burst() == 0 {
		t.Fatal("no pause in the next burst")
	}
	if d := l.pause(now, 1, 48*1350, 8, true); d != 0 {
		t.Errorf("a pause of %v once the system merges", d)
	}
}
