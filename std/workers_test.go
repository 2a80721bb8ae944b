package std

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Goroutines are used again, no more of them stay than are allowed, and none for
// long.
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
		burst(2 * idleWorkers)
		if len(w.idle) != idleWorkers {
			t.Errorf("%d stay idle, want %d", len(w.idle), idleWorkers)
		}
		first := w.idle[0]
		burst(idleWorkers)
		if len(w.idle) != idleWorkers {
			t.Errorf("%d idle after using them again", len(w.idle))
		}
		again := false
		for _, more := range w.idle {
			again = again || more == first
		}
		if !again {
			t.Error("others were started")
		}
		for range 5 { // two are needed now and then
			time.Sleep(idleWork / 2)
			burst(2)
		}
		if len(w.idle) != 2 {
			t.Errorf("%d idle where two are needed", len(w.idle))
		}
		time.Sleep(2*idleWork + time.Second)
		synctest.Wait()
		if len(w.idle) != 0 || w.timer != nil {
			t.Errorf("%d idle in the end", len(w.idle))
		}
		burst(3)
		w.close()
		burst(1) // leaves nothing behind, or the bubble would not end
	})
}
