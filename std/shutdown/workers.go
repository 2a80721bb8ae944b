package shutdown

import (
	"slices"
	"sync"
	"time"
)

// idleWorkers is how many idle goroutines are kept, each with a stack of several KiB.
// idleWork is how long they are kept, or up to twice as long.
const (
	idleWorkers = 32
	idleWork    = 5 * time.Second
)

// workers runs functions in goroutines that are reused. On the small stack of a new
// goroutine, growing the stack on the way down through KCP costs more than sending does.
// The zero value is ready to use.
type workers struct {
	mu     sync.Mutex
	idle   []chan func() // the last to become idle is the first to be reused
	spare  int           // how many of them were not needed since the last look
	timer  *time.Timer   // for the next look; nil: none is idle
	closed bool
}

// Go runs f in a goroutine.
func (w *workers) Go(f func()) {
	w.mu.Lock()
	n := len(w.idle)
	if n == 0 {
		w.mu.Unlock()
		go w.work(f)
		return
	}
	next := w.idle[n-1]
	w.idle = w.idle[:n-1]
	w.spare = min(w.spare, n-1)
	w.mu.Unlock()
	next <- f
}

func (w *workers) work(f func()) {
	more := make(chan func(), 1)
	for f != nil {
		f()
		if !w.park(more) {
			return
		}
		f = <-more
	}
}

// park makes the worker wait for more work. It returns false if the worker is no longer
// needed.
func (w *workers) park(more chan func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) == idleWorkers {
		return false
	}
	w.idle = append(w.idle, more)
	if w.timer == nil {
		w.timer = time.AfterFunc(idleWork, w.look)
	}
	return true
}

// look ends the workers that have been idle since the last look.
func (w *workers) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(w.spare)
	w.spare = len(w.idle)
	w.timer = nil
	if w.spare > 0 {
		w.timer = time.AfterFunc(idleWork, w.look)
	}
}

// end ends the n workers that have been idle longest. The caller holds w.mu.
func (w *workers) end(n int) {
	for _, more := range w.idle[:n] {
		more <- nil
	}
	w.idle = slices.Delete(w.idle, 0, n)
}

// close ends the idle workers, and the others as soon as they become idle.
func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.end(len(w.idle))
	w.spare = 0
	if w.timer != nil {
		w.timer.Stop()
	}
}
