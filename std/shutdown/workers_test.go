package shutdown

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Goroutines are reused, no more of them stay idle than are allowed, and none stays idle
// for long.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w workers
		burst := func(n int) {
			var wg sync.WaitGroup
			gate := make(chan struct{})
			wg.Add(n)
			for range n {
				w.Go(func() { defer wg.Done(); <-gate })
			}
			close(gate)
			wg.Wait()
			synctest.Wait()
		}
		idle := func() []chan func() { // the lock orders it with the timer's goroutine
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.idle)
		}
		burst(2 * idleWorkers)
		before := idle()
		if len(before) != idleWorkers {
			t.Fatalf("%d stay idle, want %d", len(before), idleWorkers)
		}
		burst(idleWorkers)
		if n := len(idle()); n != idleWorkers {
			t.Errorf("%d idle after using them again", n)
		}
		if !slices.Contains(idle(), before[0]) {
			t.Error("others were started")
		}
		for range 5 { // two are needed now and then
			time.Sleep(idleWork / 2)
			burst(2)
		}
		if n := len(idle()); n != 2 {
			t.Errorf("%d idle where two are needed", n)
		}
		time.Sleep(2*idleWork + time.Second)
		synctest.Wait()
		if n := len(idle()); n != 0 {
			t.Errorf("%d idle in the end", n)
		}
		w.mu.Lock()
		if w.timer != nil {
			t.Error("a timer runs though none is idle")
		}
		w.mu.Unlock()
		burst(3)
		w.close()
		burst(1) // leaves nothing behind, or the bubble would not end
	})
}
