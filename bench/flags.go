package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"kcptun/bench/soak"
	"kcptun/bench/wan"
)

// Bounds of flags: far more than is useful, and less than would overflow.
const (
	maxSize = 1_000_000 // MB
	maxTime = 1000 * time.Hour
)

// parseFlags parses args. An invalid one is an error of one line that says what is valid.
// The help, which begins with head, is printed only on request.
func parseFlags(fs *flag.FlagSet, args []string, head string, help io.Writer) error {
	fs.SetOutput(io.Discard)
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(help, head)
		fs.SetOutput(help)
		fs.PrintDefaults()
	case err != nil:
		err = explainFlag(fs, err)
	}
	return err
}

// badValue matches package flag's error for a value that it cannot parse.
var badValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([^:]+): `)

// explainFlag adds to an error of package flag what is valid instead.
func explainFlag(fs *flag.FlagSet, err error) error {
	text := err.Error()
	if m := badValue.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("-%s is %s, want %s", m[2], m[1], wanted(fs, m[2]))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return fmt.Errorf("-%s has no value, want %s", name, wanted(fs, name))
	}
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: "); ok {
		return fmt.Errorf("there is no flag %s, see -h", name)
	}
	return fmt.Errorf("%w, see -h", err)
}

// wanted says what is valid for a flag.
func wanted(fs *flag.FlagSet, name string) string {
	switch name {
	case "rounds":
		return "1 or more, or 0 with -profile"
	case "size":
		return fmt.Sprintf("0 to %d MB", maxSize)
	case "soak":
		return fmt.Sprintf("a duration such as 30m, from %v to %.0fh", soak.MinTime, maxTime.Hours())
	case "churn", "time":
		return fmt.Sprintf("a duration such as 5s, from 0 to %.0fh", maxTime.Hours())
	case "way":
		return strings.Join(ways, ", ")
	case "cells":
		return wan.CellSyntax + ",..."
	case "peer-lacks":
		return "some of " + strings.Join(ciphers(), ",")
	}
	kind, _ := flag.UnquoteUsage(fs.Lookup(name))
	if kind == "" {
		return "true or false"
	}
	return "a " + kind
}
