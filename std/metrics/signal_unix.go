//go:build unix

package metrics

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// OnSignal calls dump on each SIGUSR1 until ctx ends.
func OnSignal(ctx context.Context, dump func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			dump()
		case <-ctx.Done():
			return
		}
	}
}
