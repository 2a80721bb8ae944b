package clock

import (
	"testing"
	"time"
)

func TestAligned(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct{ now, d, grid, want time.Duration }{
		{0, 0, 10 * ms, 0},
		{0, 10 * ms, 10 * ms, 10 * ms},
		{3 * ms, 0, 10 * ms, 7 * ms},
		{3 * ms, 7 * ms, 10 * ms, 7 * ms},
		{3 * ms, 8 * ms, 10 * ms, 17 * ms},
	} {
		if got := aligned(c.now, c.d, c.grid); got != c.want {
			t.Errorf("aligned(%v, %v, %v) = %v, want %v", c.now, c.d, c.grid, got, c.want)
		}
	}
}

func TestNowGrows(t *testing.T) {
	before := Now()
	if before < 0 {
		t.Error("before the process began:", before)
	}
	if after := Now(); after < before {
		t.Errorf("%v after %v", after, before)
	}
}

func TestWithSleepGrows(t *testing.T) {
	before := WithSleep()
	time.Sleep(time.Millisecond)
	if after := WithSleep(); after <= before {
		t.Errorf("%v after %v", after, before)
	}
}
