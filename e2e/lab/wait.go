package lab

import (
	"context"
	"fmt"
	"time"
)

// waitStep is how often WaitFor looks: far below what a person or a timer of
// the tunnel notices, far above what a look costs.
const waitStep = 5 * time.Millisecond

// WaitFor waits until cond reports true. When ctx ends first, the error says
// what was waited for.
func WaitFor(ctx context.Context, what string, cond func() bool) error {
	tick := time.NewTicker(waitStep)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}

// Sleep waits for d, or for the end of ctx, whose cause it returns.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
