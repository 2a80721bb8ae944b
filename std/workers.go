package std

import "sync"

// idleWorkers is how many goroutines wait for more to do. Each keeps a stack of some
// KiB.
const idleWorkers = 32

// workers runs functions in goroutines that are used again: on a new one's small
// stack, the way down through KCP costs more than what it sends. The zero value is
// ready.
type workers struct {
	mu     sync.Mutex
	idle   []chan func() // the last to become idle is the first to go on
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
	w.mu.Unlock()
	next <- f
}

func (w *workers) work(f func()) {
	more := make(chan func(), 1)
	for f != nil {
		f()
		w.mu.Lock()
		if w.closed || len(w.idle) == idleWorkers {
			w.mu.Unlock()
			return
		}
		w.idle = append(w.idle, more)
		w.mu.Unlock()
		f = <-more
	}
}

// close ends the goroutines that are idle, and the others when they become so.
func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, more := range w.idle {
		more <- nil
	}
	w.idle = nil
}
