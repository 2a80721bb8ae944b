package lab

import (
	"context"
	"fmt"
	"time"
)

// waitStep is how often WaitFor checks: too often for a person or a timer of the tunnel to
// notice, and seldom enough that the checks cost nothing.
const waitStep = 5 * time.Millisecond

// WaitFor waits until cond returns true. If ctx ends first, the error names what was waited
// for.
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

// Sleep waits for d or until ctx ends; it then returns the cause.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
