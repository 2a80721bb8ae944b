// Command demo shows the tunnel at work on one machine. It moves a file in both directions
// through a network that loses and delays packets, checks it, and prints what that cost.
// Run it with "go run ./demo" inside the module.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// timeLimit leaves a few seconds of the promised minute for stopping.
const timeLimit = 55 * time.Second

var errTooSlow = fmt.Errorf("not finished within %v\nhint: try a smaller -size or less -loss; after a first, slow build try again", timeLimit)

func main() {
	opts, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = show(opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// show runs the demo with a time limit and prints its report.
func show(opts options) error {
	// SIGPIPE is included because an output that goes away (| head) would otherwise end
	// this process before it has cleaned up.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, timeLimit, errTooSlow)
	defer cancel()
	rep, err := run(ctx, opts, newScreen(os.Stdout))
	if err != nil {
		return err
	}
	fmt.Printf("\n%s", rep)
	return nil
}
