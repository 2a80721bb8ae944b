package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// PlotOptions choose what is drawn for links.
type PlotOptions struct {
	Metric  string         // "" is Goodput
	Columns *regexp.Regexp // nil is all; so for the cases
	Cases   *regexp.Regexp
}

func (o PlotOptions) metric() string {
	if o.Metric == "" {
		return Goodput
	}
	return o.Metric
}

// title says what is drawn.
func (o PlotOptions) title() string {
	for _, f := range linkFigures {
		if f.metric == o.metric() {
			return f.title
		}
	}
	return o.metric()
}

// SVG draws the collection as a picture; ok is false when nothing in it can be
// drawn.
func (c *Collection) SVG(o PlotOptions) (svg string, ok bool) {
	charts := append(bulkCharts(c.loopback), linkCharts(c.link, o)...)
	if len(charts) == 0 {
		return "", false
	}
	return drawing(charts, c.captions()), true
}

// captions are the captions of the runs, without duplicates.
func (c *Collection) captions() []string {
	var lines []string
	for _, d := range c.runs {
		if line := d.caption(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// caption says how the figures were obtained.
func (d *Document) caption() string {
	return fmt.Sprintf("Rounds: %d; bars are medians, thin lines go from least to most. %s, %d cores, %s, %s, %s.",
		d.Rounds, d.Machine.CPU, d.Machine.Cores, d.Machine.System, d.Machine.Go, d.Date)
}

// bulkCharts show throughput and CPU time of one download stream, for each configuration.
func bulkCharts(results []Result) []chart {
	const scenario = "down1/"
	fast := chart{title: "One stream down: Throughput, MB/s, more is better", metric: Throughput, series: []string{Ours, Peer}}
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

// linkCharts show one metric, with a group of bars for each link.
func linkCharts(results []Result, o PlotOptions) []chart {
	c := chart{title: o.title(), metric: o.metric()}
	for _, r := range results {
		if o.Cases != nil && !o.Cases.MatchString(r.Case) {
			continue
		}
		for _, col := range r.Columns {
			if o.Columns == nil || o.Columns.MatchString(col.Name) {
				c.addSeries(col.Name)
			}
		}
		if r.has(c.metric) {
			name, _, _ := strings.Cut(r.About, ", queue of 100ms") // the queue of most links
			c.add(name, r)
		}
	}
	if len(c.groups) == 0 || len(c.series) == 0 {
		return nil
	}
	return []chart{c}
}
