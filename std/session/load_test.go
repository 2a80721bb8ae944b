package session

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	var m meter
	now := time.Hour
	m.load(now) // its first span begins
	for _, c := range []struct {
		after time.Duration
		add   int
		want  int64
	}{
		{0, 0, 0}, {0, 5, 5}, {loadSpan / 4, 5, 10}, {loadSpan / 2, 1, 11}, {loadSpan / 2, 0, 1}, {loadSpan / 2, 0, 0},
		{0, 7, 7}, {10 * loadSpan, 0, 0},
	} {
		now += c.after
		m.add(now, c.add)
		if got := m.load(now); got != c.want {
			t.Errorf("after %v and %d more: %d, want %d", c.after, c.add, got, c.want)
		}
	}
}
