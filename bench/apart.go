package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// apartCommand makes this program a target only.
const apartCommand = "target"

var apartLine = regexp.MustCompile(`^target at (\S+)$`)

// serveApart is a target in a process of its own: with thousands of streams, a single
// process would need twice as many files as the system may allow. It ends at a signal, or
// together with the bench.
func serveApart(out io.Writer) error {
	raiseNoFile()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	t := lab.ServeTarget(ln)
	defer t.Close()
	if _, err := fmt.Fprintf(out, "target at %s\n", t.Addr()); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for parent := os.Getppid(); ctx.Err() == nil && os.Getppid() == parent; {
		_ = lab.Sleep(ctx, time.Second)
	}
	return nil
}

// startApart starts such a process and returns the target's address.
func startApart(ctx context.Context, at wan.Place) (*lab.Process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	p, err := at.Start(ctx, self, offload(), apartCommand)
	if err != nil {
		return nil, "", err
	}
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	line, err := p.WaitLogMatch(limited, apartLine)
	if err != nil {
		return nil, "", errors.Join(err, p.Kill())
	}
	return p, apartLine.FindStringSubmatch(line)[1], nil
}
