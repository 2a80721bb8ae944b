package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// section is a group of cases that share a table.
type section struct {
	title     string
	scenarios *regexp.Regexp
	table     func([]Result) *Grid
}

func sections() []section {
	return []section{
		{"Throughput and CPU", regexp.MustCompile(`^((down|up)\d+|clients\d+(down|up))/`), bulkGrid},
		{"Latency and requests", regexp.MustCompile(`^(echo|echo-busy|requests\d+)/`), figureGrid("client cpu", "server cpu", "echoes")},
		{"One end of each", regexp.MustCompile(`-mixed/`), mixedGrid},
		{"Mode auto and mode fast3 on loopback, both ours", regexp.MustCompile(`^modes-`), columnsGrid},
		{"Idle sessions and streams", regexp.MustCompile(`^(idle|streams)\d+/`), idleGrid},
		{"Sessions and streams that came and went", regexp.MustCompile(`^churn/`), figureGrid()},
	}
}

// TablesOf returns the titles of the tables that show a loopback case.
func TablesOf(name string) (titles []string) {
	for _, s := range sections() {
		if s.scenarios.MatchString(name) {
			titles = append(titles, s.title)
		}
	}
	return titles
}

// figuresTitle is the first line of the file that keeps the tables.
const figuresTitle = "# Figures\n\n" +
	"Printed by `go run ./bench table`. [performance.md](performance.md) says how each was measured, and what limits it.\n\n"

// Markdown returns everything as GitHub Markdown. The same files give the same text.
func (c *Collection) Markdown() string {
	w := new(strings.Builder)
	w.WriteString(figuresTitle)
	w.WriteString(c.heading())
	if table := c.goalsTable(); table != "" {
		fmt.Fprintf(w, "\n## Mode auto and its targets\n\nEach line shows the worst median of its cases.\n\n%s", table)
	}
	rest := slices.Clone(c.loopback)
	for _, s := range sections() {
		var mine []Result
		rest = slices.DeleteFunc(rest, func(r Result) bool {
			hit := s.scenarios.MatchString(r.Case)
			if hit {
				mine = append(mine, r)
			}
			return hit
		})
		if len(mine) > 0 {
			fmt.Fprintf(w, "\n## %s\n\n%s\n%s", s.title, s.table(mine), legend(mine, false))
		}
	}
	for _, r := range rest { // from another version of the bench
		fmt.Fprintf(w, "\n```%s```\n", r.Table())
	}
	linkTables(w, c.link)
	return w.String()
}

// cell shows a metric with its spread, or a dash.
func (c *Column) cell(name string) string {
	if c == nil || c.Metric(name) == nil {
		return "-"
	}
	return c.Metric(name).String()
}

// times shows the ratio of a metric, or a dash.
func (c *Column) times(name string) string {
	if c == nil || c.Metric(name) == nil || c.Metric(name).Ratio == nil {
		return "-"
	}
	return c.Metric(name).Ratio.Median.String()
}

// pairCell shows "ours / peer = ratio" of the medians, or as much of it as there is.
func (r *Result) pairCell(name string) string {
	median := func(c *Column) string {
		if c == nil || c.Metric(name) == nil {
			return "-"
		}
		return c.Metric(name).Median.String()
	}
	ours, peer := r.Column(Ours), r.Column(Peer)
	text := median(ours) + " / " + median(peer)
	if text == "- / -" {
		return "-"
	}
	if ratio := ours.times(name); ratio != "-" {
		text += " = " + ratio
	}
	return text
}

func bulkGrid(results []Result) *Grid {
	g := &Grid{Text: 1, Head: []string{"case", "ours, MB/s", "peer, MB/s", "ratio", "ours, CPU s/GB", "peer, CPU s/GB", "ratio",
		"server CPU, s/GB", "client peak RSS, MB", "server peak RSS, MB"}}
	const cpu = "cpu of both"
	for _, r := range results {
		ours, peer := r.Column(Ours), r.Column(Peer)
		g.Add(r.Case, ours.cell(Throughput), peer.cell(Throughput), ours.times(Throughput),
			ours.cell(cpu), peer.cell(cpu), ours.times(cpu), r.pairCell("server cpu"), r.pairCell("client peak rss"), r.pairCell("server peak rss"))
	}
	return g
}

// figureGrid has a line for each figure of each case, except those left out.
func figureGrid(without ...string) func([]Result) *Grid {
	return func(results []Result) *Grid {
		g := &Grid{Text: 2, Head: []string{"case", "", Ours, Peer, "ratio"}}
		for _, r := range results {
			name := r.Case
			for _, figure := range r.metricNames() {
				if slices.Contains(without, figure) {
					continue
				}
				ours, peer := r.Column(Ours), r.Column(Peer)
				g.Add(name, r.labelled(figure), ours.cell(figure), peer.cell(figure), ours.times(figure))
				name = ""
			}
			if name != "" { // the case has no figures
				g.Add(name, "", "-", "-", "-")
			}
		}
		return g
	}
}

// columnsGrid has a line for each figure of each case, and the columns of the first one.
func columnsGrid(results []Result) *Grid {
	g := &Grid{Text: 2, Head: []string{"case", ""}}
	columns := results[0].Columns
	for _, c := range columns {
		if g.Head = append(g.Head, c.Name); c.Against != "" {
			g.Head = append(g.Head, "/ "+c.Against)
		}
	}
	for _, r := range results {
		name := r.Case
		for _, figure := range r.metricNames() {
			row := []string{name, r.labelled(figure)}
			for _, c := range columns {
				if row = append(row, r.Column(c.Name).cell(figure)); c.Against != "" {
					row = append(row, r.Column(c.Name).times(figure))
				}
			}
			g.Add(row...)
			name = ""
		}
	}
	return g
}

// labelled returns a figure's name with its unit.
func (r *Result) labelled(figure string) string {
	for i := range r.Columns {
		m := r.Columns[i].Metric(figure)
		switch {
		case m == nil:
		case strings.HasPrefix(m.Unit, "/"): // for example requests /s
			return figure + m.Unit
		case m.Unit != "":
			return figure + ", " + m.Unit
		}
	}
	return figure
}

// mixedGrid has a line for each pair. Ratios are relative to the peer's own pair.
func mixedGrid(results []Result) *Grid {
	g := &Grid{Text: 2, Head: []string{"case", "pair", "MB/s", "to the peer", "client CPU, s/GB", "to the peer", "server CPU, s/GB", "to the peer"}}
	for _, r := range results {
		name := r.Case
		for i := range r.Columns {
			c := &r.Columns[i]
			row := []string{name, c.Name}
			for _, figure := range []string{Throughput, "client cpu", "server cpu"} {
				row = append(row, c.cell(figure), c.times(figure))
			}
			g.Add(row...)
			name = ""
		}
	}
	return g
}

func idleGrid(results []Result) *Grid {
	g := &Grid{Text: 1, Head: []string{"case: ours / peer = ratio", "client RSS, MB", "server RSS, MB", "client RSS each, kB", "server RSS each, kB",
		"client CPU, ms/s", "server CPU, ms/s", "first echo after, p50 ms", "latest, above a round trip, ms"}}
	for _, r := range results {
		each := " rss per session"
		if strings.HasPrefix(r.Case, "streams") {
			each = " rss per stream"
		}
		row := []string{r.Case}
		for _, figure := range []string{"client rss", "server rss", "client" + each, "server" + each, "client cpu", "server cpu", "first echo after it p50", LatestAnswer} {
			row = append(row, r.pairCell(figure))
		}
		g.Add(row...)
	}
	return g
}

// linkFigures get a table each, with a line for each link.
var linkFigures = []struct{ title, metric string }{
	{"Goodput of one stream, MB/s, without its start", Goodput},
	{"Goodput of one stream, MB/s, with its start", "goodput with start"},
	{"Goodput of the one beside it, MB/s", "goodput beside it"},
	{"Share of the two that the first one has", "share of both"},
	{"Goodput without the start, % of what the link carries", ShareOfCap},
	{"Bytes on the wire per byte of payload", "wire/payload steady"},
	{"Packets that the queue dropped", "dropped by its queue"},
	{"Packets that the queue dropped in the start", "dropped in the start"},
	{"Echo beside the stream, p50, ms", "echo p50"},
	{"Echo beside the stream, p99, ms", "echo p99"},
	{"Small messages that took 100 ms more than the round trip, %", Late},
	{"Small messages, p50, ms", "messages p50"},
	{"Small messages, p95, ms", "messages p95"},
	{"Small messages, p99, ms", "messages p99"},
	{"Small messages, bytes on the wire per byte that they need without protection", MessageWire},
	{"CPU of both ends, s", "cpu of both"},
}

func linkTables(w *strings.Builder, results []Result) {
	if len(results) == 0 {
		return
	}
	for _, f := range linkFigures {
		if len(with(results, f.metric)) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n## %s\n\n%s", f.title, linkGrid(with(results, f.metric), f.metric))
	}
	fmt.Fprintf(w, "\n%s", legend(results, true))
}

// with returns the results in which any column has a metric.
func with(results []Result, metric string) []Result {
	return slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return !r.has(metric) })
}

// has reports whether any column has a metric.
func (r *Result) has(metric string) bool {
	return slices.ContainsFunc(r.Columns, func(c Column) bool { return c.Metric(metric) != nil })
}

// against is the column with which a column is compared in any result, or "".
func against(results []Result, column string) string {
	for i := range results {
		if c := results[i].Column(column); c != nil && c.Against != "" {
			return c.Against
		}
	}
	return ""
}

// linkGrid has a column for each contender, followed by its ratio if the contender is
// compared.
func linkGrid(results []Result, metric string) *Grid {
	g := &Grid{Text: 1, Head: []string{"link"}}
	var names []string // of the contenders; "" stands for the ratio of the one before
	for _, r := range results {
		for _, c := range r.Columns {
			if slices.Contains(names, c.Name) {
				continue
			}
			names, g.Head = append(names, c.Name), append(g.Head, c.Name)
			if base := against(results, c.Name); base != "" {
				names, g.Head = append(names, ""), append(g.Head, "/ "+base)
			}
		}
	}
	for _, r := range results {
		row := []string{r.Case}
		for i, name := range names {
			if name == "" {
				row = append(row, r.Column(names[i-1]).times(metric))
				continue
			}
			row = append(row, r.Column(name).cell(metric))
		}
		g.Add(row...)
	}
	return g
}
