package notice

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRecurring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Recurring
		for _, step := range []struct {
			wait  time.Duration
			calls int
			due   bool
			times int64
		}{
			{0, 1, true, 1},
			{0, 5, false, 0},
			{Every - 1, 1, false, 0},
			{1, 1, true, 7},
			{0, 1, false, 0},
			{time.Hour, 1, true, 2},
		} {
			time.Sleep(step.wait)
			for range step.calls {
				if times, due := r.Due(); due != step.due || times != step.times {
					t.Errorf("after %v: %d %v, want %d %v", step.wait, times, due, step.times, step.due)
				}
			}
		}
	})
}

// Each occurrence is counted in exactly one line, whichever goroutine meets it.
func TestRecurringCountsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Recurring
		var logged, lines atomic.Int64
		meet := func() {
			if times, due := r.Due(); due {
				logged.Add(times)
				lines.Add(1)
			}
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 1000 {
					meet()
				}
			})
		}
		wg.Wait()
		time.Sleep(Every)
		meet()
		if logged.Load() != 8001 || lines.Load() != 2 {
			t.Errorf("%d times in %d lines, want 8001 in 2", logged.Load(), lines.Load())
		}
	})
}

func TestDueAllocatesNothing(t *testing.T) {
	var r Recurring
	if n := testing.AllocsPerRun(100, func() { r.Due() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
