package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// plotCommand draws a picture of a file that -json wrote.
func plotCommand(args []string, usage io.Writer) error {
	fs := flag.NewFlagSet("bench plot FILE.json", flag.ContinueOnError)
	fs.SetOutput(usage)
	out := fs.String("o", "", "`file` to write the SVG to")
	var files []string
	for {
		if err := fs.Parse(args); err != nil {
			return err
		}
		if fs.NArg() == 0 {
			break
		}
		files, args = append(files, fs.Arg(0)), fs.Args()[1:] // flags may follow the file
	}
	if len(files) != 1 || *out == "" {
		return errors.New("plot: want one file of figures, and -o FILE.svg")
	}
	doc, err := readDocument(files[0])
	if err != nil {
		return err
	}
	charts := doc.charts()
	if len(charts) == 0 {
		return fmt.Errorf("plot: %s has nothing to draw: no bulk case and no link", files[0])
	}
	return os.WriteFile(*out, []byte(drawing(charts, doc.caption())), 0o644)
}

// caption says how the figures came about.
func (d *document) caption() string {
	return fmt.Sprintf("Rounds: %d; bars are medians, thin lines go from least to most. %s, %d cores, %s, %s, %s.",
		d.Rounds, d.Machine.CPU, d.Machine.Cores, d.Machine.System, d.Machine.Go, d.Date)
}

func (d *document) charts() []chart {
	if d.Kind == "link" {
		return d.linkCharts()
	}
	const scenario = "down1/"
	fast := chart{title: "One stream down: throughput, MB/s, more is better", metric: throughput, series: []string{oursName, peerName}}
	dear := chart{title: "CPU of both ends, seconds per GB, less is better", metric: "cpu of both", series: fast.series}
	for _, r := range d.Results {
		if config, ok := strings.CutPrefix(r.Case, scenario); ok {
			fast.add(config, r)
			dear.add(config, r)
		}
	}
	if len(fast.groups) == 0 {
		return nil
	}
	return []chart{fast, dear}
}

// linkCharts is goodput, one group of bars for each link.
func (d *document) linkCharts() []chart {
	c := chart{title: "Goodput of one stream, MB/s, more is better", metric: goodput}
	for _, r := range d.Results {
		for _, col := range r.Columns {
			c.addSeries(col.Name)
		}
		name, _, _ := strings.Cut(r.About, ", queue")
		c.add(name, r)
	}
	if len(c.groups) == 0 {
		return nil
	}
	return []chart{c}
}
