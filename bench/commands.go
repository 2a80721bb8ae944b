package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"kcptun/bench/report"
)

// tableCommand prints files written by -json as Markdown tables. The same files give the
// same text.
func tableCommand(args []string, out, help io.Writer) error {
	files, err := parseFiles(flag.NewFlagSet("table FILE.json ...", flag.ContinueOnError), args, help)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("table: want files of figures")
	}
	c, err := report.ReadCollection(files)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, c.Markdown())
	return err
}

// plotCommand draws a picture of files written by -json.
func plotCommand(args []string, help io.Writer) error {
	fs := flag.NewFlagSet("plot FILE.json ... -o FILE.svg", flag.ContinueOnError)
	out := fs.String("o", "", "`file` to write the SVG to")
	var o report.PlotOptions
	fs.StringVar(&o.Metric, "metric", report.Goodput, "`name` of what is drawn of links, such as 'echo p50'")
	columns := fs.String("columns", "", "draw of links only the columns whose name matches this `regexp`")
	files, err := parseFiles(fs, args, help)
	if err != nil {
		return err
	}
	if len(files) == 0 || *out == "" {
		return errors.New("plot: want files of figures, and -o FILE.svg")
	}
	c, err := report.ReadCollection(files)
	if err != nil {
		return err
	}
	if *columns != "" {
		if o.Columns, err = regexp.Compile(*columns); err != nil {
			return fmt.Errorf("-columns: %w", err)
		}
	}
	if o.Metric == report.Goodput {
		o.Metric = "" // these charts have a title
	}
	picture, ok := c.SVG(o)
	if !ok {
		return fmt.Errorf("plot: %s has nothing to draw: no bulk case, and no link with what was asked for", strings.Join(files, ", "))
	}
	if err := os.WriteFile(*out, []byte(picture), 0o644); err != nil {
		return fmt.Errorf("-o %s: %w", *out, bare(err))
	}
	return nil
}

// parseFiles parses the flags of a command that takes files, before and after these, and
// returns the files.
func parseFiles(fs *flag.FlagSet, args []string, help io.Writer) (files []string, err error) {
	head := fmt.Sprintf("Usage: bench %s\nOf a column of a case that is in several files the last one counts.\n", fs.Name())
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
