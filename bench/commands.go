package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	cases := fs.String("run", "", "draw only the links whose name matches this `regexp`")
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
	if o.Columns, err = compiled("columns", *columns); err != nil {
		return err
	}
	if o.Cases, err = compiled("run", *cases); err != nil {
		return err
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

// compiled is the regexp of a flag; nil if there is none.
func compiled(name, pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	r, err := regexp.Compile(pattern)
	if err != nil {
		err = fmt.Errorf("-%s: %w", name, err)
	}
	return r, err
}

// fillCommand fills pages with figures of files written by -json, and writes the pictures
// that they refer to.
func fillCommand(args []string, out, help io.Writer) error {
	fs := flag.NewFlagSet("fill FILE.json ... PAGE.md ...", flag.ContinueOnError)
	files, err := parseFiles(fs, args, help)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(help, report.FillHelp)
		}
		return err
	}
	isPage := func(name string) bool { return strings.HasSuffix(name, ".md") }
	pages := slices.DeleteFunc(slices.Clone(files), func(name string) bool { return !isPage(name) })
	if files = slices.DeleteFunc(files, isPage); len(files) == 0 || len(pages) == 0 {
		return errors.New("fill: want files of figures, and pages")
	}
	c, err := report.ReadCollection(files)
	if err != nil {
		return err
	}
	for _, page := range pages {
		if err := fillPage(c, page, out); err != nil {
			return fmt.Errorf("fill: %s: %w", page, err)
		}
	}
	return nil
}

func fillPage(c *report.Collection, page string, out io.Writer) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return bare(err)
	}
	f, err := c.Fill(string(old))
	if err != nil {
		return err
	}
	for _, kept := range f.Kept {
		fmt.Fprintf(out, "%s, %s\n", page, kept)
	}
	for name, svg := range f.Pictures {
		if err := os.WriteFile(filepath.Join(filepath.Dir(page), filepath.FromSlash(name)), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(page, []byte(f.Text), 0o644)
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
