package quota

import (
	"math"
	"testing"
)

// A holder that takes all it can get leaves as much free as it has, and what is given back
// is free again.
func TestBoundIsShared(t *testing.T) {
	b := NewBound(1200)
	held := make([]int64, 5)
	for range 1000 { // in small steps, each in turn
		for i := range held {
			if held[i] < b.Share() {
				held[i]++
				b.Hold(1)
			}
		}
	}
	for i, h := range held {
		if h < 195 || h > 200 {
			t.Errorf("holder %d of %d has %d", i, len(held), h)
		}
	}
	if b.Held() != held[0]*5 || b.Share() < 200 {
		t.Errorf("%d held, share %d", b.Held(), b.Share())
	}
	b.Hold(-b.Held())
	if b.Share() != b.Limit() {
		t.Errorf("share %d of %d", b.Share(), b.Limit())
	}
	b.Hold(5000)
	if b.Share() != 0 {
		t.Errorf("share %d", b.Share())
	}
	var none *Bound
	none.Hold(5)
	if none.Held() != 0 || none.Share() != math.MaxInt64 || none.Limit() != math.MaxInt64 {
		t.Error("no bound has an end")
	}
}

func TestDefault(t *testing.T) {
	const m = 1 << 20
	for _, c := range []struct{ machine, goLimit, want int64 }{
		{0, 0, 128 * m}, {0, math.MaxInt64, 128 * m},
		{32 * m, math.MaxInt64, 8 * m}, {128 * m, math.MaxInt64, 16 * m},
		{1024 * m, 256 * m, 32 * m}, {1 << 40, math.MaxInt64, 512 * m},
	} {
		if got := defaultOf(usable(c.machine, c.goLimit)); got != c.want {
			t.Errorf("machine %d, GOMEMLIMIT %d: %d, want %d", c.machine, c.goLimit, got, c.want)
		}
	}
	if d := Default(); d < leastDefault || d > mostDefault {
		t.Errorf("default %d", d)
	}
}
