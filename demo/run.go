package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kcptun/e2e/lab"
)

// Round trips are measured with small messages, as a shell session sends them. The first
// message, which also opens the stream, does not count.
const (
	echoSize  = 64
	echoCount = 20
)

// run does the whole demo in a temporary folder, and leaves nothing behind.
func run(ctx context.Context, opts options, scr *screen) (rep report, err error) {
	dir, err := os.MkdirTemp("", "kcptun-demo-")
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	if opts.programs == (lab.Programs{}) {
		scr.say("building client and server")
		if opts.programs, err = lab.Build(ctx, dir, lab.BuildOptions{}); err != nil {
			return rep, err
		}
	}
	load, err := openPayload(opts, dir)
	if err != nil {
		return rep, err
	}
	nw, err := openNetwork(ctx, opts, dir, load)
	if err != nil {
		return rep, err
	}
	scr.say("target <- server <- network with %g %% loss, %v delay each way <- client; mode %s, crypt %s",
		opts.loss, opts.delay, opts.mode, opts.crypt)
	err = transfer(ctx, nw, load, scr, &rep)
	if err != nil && ctx.Err() == nil {
		err = nw.Explain(err)
	}
	closing := nw.Close()
	if ctx.Err() == nil { // after an interruption, programs that had to be killed are expected
		err = errors.Join(err, closing)
	}
	if err != nil {
		return rep, err
	}
	return rep, nw.count(&rep)
}

// transfer moves the payload to the server's side and back, and then measures round trips.
func transfer(ctx context.Context, nw *network, load payload, scr *screen, rep *report) error {
	dial := nw.Dial
	before := nw.Wire()
	var err error
	if rep.up.moved, err = push(ctx, dial, nw.Target, load, scr); err != nil {
		return err
	}
	between := nw.Wire()
	if rep.down.moved, err = fetch(ctx, dial, load, scr); err != nil {
		return err
	}
	rep.up.wire, rep.down.wire = between-before, nw.Wire()-between
	for _, w := range []*way{&rep.up, &rep.down} {
		if w.moved.Sum != load.sum || w.moved.Bytes != load.size {
			return fmt.Errorf("the file arrived changed: %d bytes with sha256 %x, want %d with %x",
				w.moved.Bytes, w.moved.Sum, load.size, load.sum)
		}
	}
	scr.say("both copies have the sha256 of the file: %x", load.sum)
	times, err := lab.Echo(ctx, dial, echoCount+1, echoSize)
	if err != nil {
		return err
	}
	rep.echo = times[1:]
	return nil
}

// push sends the file. Only the target knows how much has arrived.
func push(ctx context.Context, dial lab.Dial, target *lab.Target, load payload, scr *screen) (lab.Result, error) {
	src, err := os.Open(load.path)
	if err != nil {
		return lab.Result{}, err
	}
	defer src.Close()
	stop := scr.follow("to the server", load.size, target.Received)
	defer stop()
	return lab.PushFrom(ctx, dial, src, load.size, nil)
}

// fetch receives the file into a new one.
func fetch(ctx context.Context, dial lab.Dial, load payload, scr *screen) (lab.Result, error) {
	dst, err := os.Create(load.copy)
	if err != nil {
		return lab.Result{}, err
	}
	res, err := lab.Fetch(ctx, dial, dst, scr.bar("from the server", load.size))
	scr.endBar()
	return res, errors.Join(err, dst.Close())
}

func clientLog(dir string) string { return filepath.Join(dir, "client.csv") }
func serverLog(dir string) string { return filepath.Join(dir, "server.csv") }
