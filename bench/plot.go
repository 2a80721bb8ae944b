package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// plotCommand draws a picture of files that -json wrote.
func plotCommand(args []string, help io.Writer) error {
	fs := flag.NewFlagSet("plot FILE.json ... -o FILE.svg", flag.ContinueOnError)
	out := fs.String("o", "", "`file` to write the SVG to")
	files, err := parseFiles(fs, args, help)
	if err != nil {
		return err
	}
	if len(files) == 0 || *out == "" {
		return errors.New("plot: want files of figures, and -o FILE.svg")
	}
	c, err := readCollection(files)
	if err != nil {
		return err
	}
	charts := c.charts()
	if len(charts) == 0 {
		return fmt.Errorf("plot: %s has nothing to draw: no bulk case and no link", strings.Join(files, ", "))
	}
	if err := os.WriteFile(*out, []byte(drawing(charts, c.captions())), 0o644); err != nil {
		return fmt.Errorf("-o %s: %w", *out, bare(err))
	}
	return nil
}

// captions are those of the runs, each once.
func (c *collection) captions() []string {
	var lines []string
	for _, d := range c.runs {
		if line := d.caption(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// caption says how the figures came about.
func (d *document) caption() string {
	return fmt.Sprintf("Rounds: %d; bars are medians, thin lines go from least to most. %s, %d cores, %s, %s, %s.",
		d.Rounds, d.Machine.CPU, d.Machine.Cores, d.Machine.System, d.Machine.Go, d.Date)
}

func (c *collection) charts() []chart {
	return append(bulkCharts(c.loopback), linkCharts(c.link)...)
}

// bulkCharts are throughput and CPU of one stream down, for each configuration.
func bulkCharts(results []result) []chart {
	const scenario = "down1/"
	fast := chart{title: "One stream down: throughput, MB/s, more is better", metric: throughput, series: []string{oursName, peerName}}
	dear := chart{title: "CPU of both ends, seconds per GB, less is better", metric: "cpu of both", series: fast.series}
	for _, r := range results {
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
func linkCharts(results []result) []chart {
	c := chart{title: "Goodput of one stream, MB/s, more is better", metric: goodput}
	for _, r := range results {
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
