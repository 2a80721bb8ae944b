//go:build unix

package std

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// onDumpSignal calls dump at each SIGUSR1 until ctx ends.
func onDumpSignal(ctx context.Context, dump func()) {
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
