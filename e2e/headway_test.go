package e2e_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// headway measures how long a transfer stands still, for the test's log.
type headway struct {
	mu      sync.Mutex
	last    time.Time
	longest time.Duration
}

// watch makes a transfer report to h.
func (h *headway) watch(transfer func(context.Context, lab.Progress) error) func(context.Context, lab.Progress) error {
	return func(ctx context.Context, progress lab.Progress) error {
		return transfer(ctx, func(done int64) {
			h.note()
			progress(done)
		})
	}
}

func (h *headway) note() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.longest = max(h.longest, time.Since(h.last))
	h.last = time.Now()
}

// begin measures from now on.
func (h *headway) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last, h.longest = time.Now(), 0
}

// log logs the longest time without headway since begin.
func (h *headway) log(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	t.Logf("it stood still for %v", h.longest.Round(10*time.Millisecond))
}
