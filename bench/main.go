// Command bench compares the tunnel with another pair of programs. It measures them
// alternately in the same run, so that other load on the machine affects both.
//
//	go run ./bench                        every case, on loopback
//	go run ./bench -run '^down1/' -rounds 3 -json figures.json
//	go run ./bench -link                  over links with delay, rate and loss; Linux, root
//	go run ./bench -link -columns 'auto|bbr' -way up -beside tunnel -cells 100/100/1 -time 30s
//	go run ./bench -targets -json auto.json    mode auto in all that it has targets for; 38 minutes, Linux, root
//	go run ./bench -soak 30m              for leaks, under a load that comes and goes; Linux
//	go run ./bench plot figures.json -o picture.svg
//	go run ./bench table figures.json     as tables in Markdown, which docs/figures.md has; takes several files, too
//	go run ./bench fill figures.json README.md    into pages that say by comments what they want
//
// This process generates the load; its own CPU time is not counted. A GB is
// 1e9 bytes, an MB 1e6.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

var errFailures = errors.New("some rounds failed, see above")

func main() {
	err := command(os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) > 0 && args[0] == "plot" {
		return plotCommand(args[1:], os.Stdout)
	}
	if len(args) > 0 && args[0] == "fill" {
		return fillCommand(args[1:], os.Stdout, os.Stdout)
	}
	if len(args) > 0 && args[0] == "table" {
		return tableCommand(args[1:], os.Stdout, os.Stdout)
	}
	if len(args) == 1 && args[0] == apartCommand {
		return serveApart(os.Stdout)
	}
	if len(args) > 0 && args[0] == stockCommand {
		return serveStock(args[1:])
	}
	opts, err := parse(args, os.Stdout)
	if err != nil {
		return err
	}
	// SIGPIPE is caught and ignored, so that an output that goes away (| head) shows as an
	// error of the write. Otherwise it would end this process before it has ended the
	// programs that it started. Connections that break raise the signal, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if opts.soak > 0 {
		return runSoak(ctx, opts, os.Stdout, os.Stderr)
	}
	return run(ctx, opts, os.Stdout, os.Stderr)
}
