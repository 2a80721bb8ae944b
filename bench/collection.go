package main

import (
	"flag"
	"fmt"
	"io"
)

// collection is several runs as one: bulk, idle sessions and links may be
// measured apart and shown together.
type collection struct {
	runs           []*document // those of which a result counts, in the order given
	loopback, link []result
}

// collect merges runs. Of a case that is in several the last one counts, at the
// place of the first.
func collect(runs []*document) *collection {
	type place struct{ kind, name string }
	last := make(map[place]*document)
	for _, d := range runs {
		for _, r := range d.Results {
			last[place{d.Kind, r.Case}] = d
		}
	}
	c := new(collection)
	counted := make(map[place]bool)
	for _, d := range runs {
		counts := false
		for _, r := range d.Results {
			at := place{d.Kind, r.Case}
			counts = counts || last[at] == d
			if counted[at] {
				continue
			}
			counted[at] = true
			if d.Kind == "link" {
				c.link = append(c.link, *last[at].result(r.Case))
			} else {
				c.loopback = append(c.loopback, *last[at].result(r.Case))
			}
		}
		if counts {
			c.runs = append(c.runs, d)
		}
	}
	return c
}

// readCollection reads files that -json wrote.
func readCollection(paths []string) (*collection, error) {
	var runs []*document
	for _, path := range paths {
		d, err := readDocument(path)
		if err != nil {
			return nil, err
		}
		runs = append(runs, d)
	}
	return collect(runs), nil
}

// parseFiles parses the flags of a command that takes files, before and behind
// these, and returns them.
func parseFiles(fs *flag.FlagSet, args []string, help io.Writer) (files []string, err error) {
	head := fmt.Sprintf("Usage: bench %s\nOf a case that is in several files the last one counts.\n", fs.Name())
	for {
		if err := parseFlags(fs, args, head, help); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return files, nil
		}
		files, args = append(files, fs.Arg(0)), fs.Args()[1:]
	}
}
