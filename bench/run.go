package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"kcptun/bench/report"
	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// run does what the options ask for, in a temporary folder that it removes again. Tables go
// to out, progress reports to progress.
func run(ctx context.Context, opts options, out, progress io.Writer) (err error) {
	b := &bench{opts: opts, sizes: opts.sizes()}
	b.findPeer()
	cases, kind := b.cases, report.Loopback
	switch {
	case opts.link:
		cases, kind = b.linkCases, report.Link
	case opts.targets:
		cases, kind = b.targetCases, report.Targets
	}
	selected := func() []testCase {
		return slices.DeleteFunc(cases(), func(c testCase) bool { return !opts.selects(c.name) })
	}
	if err := opts.check(selected()); err != nil {
		return err
	}
	if opts.list {
		return list(out, selected(), opts.rounds)
	}
	if err := opts.checkOutputs(); err != nil {
		return err
	}
	doc := &report.Document{Kind: kind, Date: today(), Machine: machineFacts(b.peer), Flags: opts.given, Rounds: opts.rounds}
	if opts.resume {
		if err := opts.continued(doc); err != nil {
			return err
		}
	}
	b.warnOfPeer(progress)
	dir, err := os.MkdirTemp("", "kcptun-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := b.prepare(ctx, dir, progress); err != nil {
		return err
	}
	return b.all(ctx, missing(selected(), doc), doc, out, progress)
}

// check refuses, before anything is built, runs that can only fail or have nothing to do.
func (o *options) check(selected []testCase) error {
	if err := o.checkPrograms(); err != nil {
		return err
	}
	if (o.link || o.targets) && !o.list {
		if err := wan.Possible(); err != nil {
			return err
		}
	}
	switch {
	case o.run != nil && len(selected) == 0:
		return fmt.Errorf("-run %q selects no case, see -list", o.run)
	case o.columns != nil && emptyLinks(selected):
		return fmt.Errorf("-columns %q selects no column, want part of a name such as %s auto, or tcp bbr", o.columns, report.Ours)
	case o.profile != "" && !slices.ContainsFunc(selected, func(c testCase) bool { return c.profile != nil }):
		return errors.New("-profile is for the bulk cases on loopback, such as down1/aes, of which none is selected")
	}
	return nil
}

// emptyLinks reports whether there are cases over links, and none of them has a column.
func emptyLinks(cases []testCase) bool {
	links, columns := 0, 0
	for _, c := range cases {
		if c.kind == report.Link {
			links, columns = links+1, columns+len(c.columns)
		}
	}
	return links > 0 && columns == 0
}

// findPeer uses the installed pair unless one was given.
func (b *bench) findPeer() {
	b.peer = b.opts.peer
	if (b.peer == lab.Programs{}) {
		client, okClient := lab.OldClient()
		server, okServer := lab.OldServer()
		if okClient && okServer {
			b.peer = lab.Programs{Client: client, Server: server}
		}
	}
}

// prepare builds our programs as in a release: stripped and without cgo.
func (b *bench) prepare(ctx context.Context, dir string, progress io.Writer) (err error) {
	raiseNoFile()
	if b.ours = b.opts.ours; b.ours != (lab.Programs{}) {
		return nil
	}
	fmt.Fprintln(progress, "building client and server")
	for name, value := range map[string]string{"CGO_ENABLED": "0", "GOFLAGS": os.Getenv("GOFLAGS") + " -trimpath"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	b.ours, err = lab.Build(ctx, dir, lab.BuildOptions{Ldflags: "-s -w -X main.VERSION=bench"})
	return err
}

// list prints the cases and, if it is known of each, how long they take together.
func list(w io.Writer, cases []testCase, rounds int) error {
	known := true
	for _, c := range cases {
		took := ""
		if d := c.estimate(rounds); d > 0 {
			took = fmt.Sprintf("%.0f s: ", d.Seconds())
		}
		known = known && c.takes > 0
		fmt.Fprintf(w, "%-24s %s%s\n", c.name, took, c.about)
	}
	if known {
		fmt.Fprintf(w, "about %.0f minutes, rounds: %d\n", estimate(cases, rounds).Minutes(), rounds)
	}
	return nil
}

// all runs the cases one after another. Each result is printed and written at once, so that
// an early end loses nothing.
func (b *bench) all(ctx context.Context, cases []testCase, doc *report.Document, out, progress io.Writer) error {
	failed := false
	for _, c := range cases {
		r, err := b.measure(ctx, c, progress)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, r.Table()); err != nil {
			return err
		}
		failed = failed || r.Failed()
		doc.Results = append(doc.Results, r)
		if b.opts.json != "" {
			if err := doc.Write(b.opts.json); err != nil {
				return err
			}
		}
		if b.opts.profile != "" && c.profile != nil {
			if err := b.profiles(ctx, c, progress); err != nil {
				return err
			}
		}
	}
	if failed {
		return errFailures
	}
	return nil
}

// measure runs the rounds of one case. It fails only if ctx ends. A round that fails is
// noted in its column, and the others go on.
func (b *bench) measure(ctx context.Context, c testCase, progress io.Writer) (report.Result, error) {
	r := report.Result{Kind: c.kind, Case: c.name, About: c.about, Flags: c.flags}
	order := make([]int, 0, len(c.columns))
	for i, col := range c.columns {
		r.Columns = append(r.Columns, report.Column{Name: col.name, Against: col.against, Note: col.note, Flags: col.flags})
		if col.measure != nil {
			order = append(order, i)
		}
	}
	rounds := c.limit(b.opts.rounds)
	for round := range rounds {
		for _, i := range order {
			begin := time.Now()
			limited, cancel := context.WithTimeoutCause(ctx, b.sizes.limit()+c.takes, errTooLong)
			figures, err := c.columns[i].measure(limited, round)
			cancel()
			if ctx.Err() != nil {
				return r, context.Cause(ctx)
			}
			fmt.Fprintf(progress, "%s, round %d: %s, %.1f s%s\n", c.name, round+1, c.columns[i].name, time.Since(begin).Seconds(), headline(figures, err))
			if err != nil {
				r.Columns[i].Failures = append(r.Columns[i].Failures, fmt.Sprintf("round %d: %v", round+1, err))
			}
			for _, f := range figures {
				r.Columns[i].Add(round, f.name, f.unit, f.value)
			}
		}
		slices.Reverse(order) // alternates who runs first, on the colder machine
	}
	r.Conclude(rounds)
	return r, nil
}

var errTooLong = errors.New("it took longer than any working tunnel does")

// headline is the first figure, shown in the progress report.
func headline(figures []figure, err error) string {
	if err != nil {
		return ", FAILED"
	}
	if len(figures) == 0 {
		return ""
	}
	f := figures[0]
	return fmt.Sprintf(", %s %v %s", f.name, report.Number(f.value), f.unit)
}
