package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"kcptun/bench/soak"
)

// soakName is the name of a soak's files unless -o gives one.
const soakName = "soak"

// errGrown is returned if something has grown during a soak.
var errGrown = errors.New("something has grown, see above")

// runSoak runs a soak, and writes a CSV file of the samples and a picture of them.
func runSoak(ctx context.Context, opts options, out, progress io.Writer) (err error) {
	b := &bench{opts: opts}
	if err := opts.checkPrograms(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kcptun-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	name := opts.out
	if name == "" {
		name = soakName
	}
	samples, err := os.Create(name + ".csv")
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	defer func() { err = errors.Join(err, samples.Close()) }()
	if err := b.prepare(ctx, dir, progress); err != nil {
		return err
	}
	rec, err := soak.Run(ctx, soak.Config{Programs: b.ours, Time: opts.soak, CSV: samples, Progress: progress})
	caption := fmt.Sprintf("go run ./bench -soak %v; %s, %s", opts.soak, machineFacts(b.peer).Line(), today())
	err = errors.Join(err, os.WriteFile(name+".svg", []byte(rec.SVG(caption)), 0o644))
	fmt.Fprintf(out, "%s\n\n%s", caption, rec.Markdown())
	if grown := rec.Growth(); len(grown) > 0 {
		fmt.Fprintf(out, "\nGrown:\n%s\n", strings.Join(grown, "\n"))
		err = errors.Join(err, errGrown)
	}
	return err
}
