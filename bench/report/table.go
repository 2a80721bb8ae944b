package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Table shows one case: median (min to max) of each column, followed by its ratio if the
// column is compared with another.
func (r *Result) Table() string {
	w := new(strings.Builder)
	fmt.Fprintf(w, "\n%s: %s\n", r.Case, r.About)
	if len(r.Flags) > 0 {
		fmt.Fprintf(w, "  %s\n", strings.Join(r.Flags, " "))
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := []string{"", ""}
	for _, c := range r.Columns {
		if len(c.Metrics) == 0 {
			continue
		}
		head = append(head, c.Name)
		if c.Against != "" {
			head = append(head, "/ "+c.Against)
		}
	}
	fmt.Fprintln(tw, "  "+strings.Join(head, "\t"))
	for _, name := range r.metricNames() {
		fmt.Fprintln(tw, "  "+strings.Join(r.row(name), "\t"))
	}
	tw.Flush()
	r.remarks(w)
	return w.String()
}

// remarks are notes and errors of the columns.
func (r *Result) remarks(w io.Writer) {
	for _, c := range r.Columns {
		if c.Note != "" {
			fmt.Fprintf(w, "  %s: %s\n", c.Name, c.Note)
		}
		for _, f := range c.Failures {
			fmt.Fprintf(w, "  %s FAILED: %s\n", c.Name, strings.ReplaceAll(f, "\n", "\n    "))
		}
	}
}

// metricNames are the metrics of all columns, in order of appearance.
func (r *Result) metricNames() []string {
	var names []string
	seen := make(map[string]bool)
	for _, c := range r.Columns {
		for _, m := range c.Metrics {
			if !seen[m.Name] {
				seen[m.Name] = true
				names = append(names, m.Name)
			}
		}
	}
	return names
}

func (r *Result) row(name string) []string {
	cells := []string{name, ""}
	for i := range r.Columns {
		c := &r.Columns[i]
		if len(c.Metrics) == 0 {
			continue
		}
		value, ratio := "-", "-"
		if m := c.Metric(name); m != nil {
			cells[1], value = m.Unit, m.String()
			if m.Ratio != nil {
				ratio = m.Ratio.String()
			}
		}
		cells = append(cells, value)
		if c.Against != "" {
			cells = append(cells, ratio)
		}
	}
	return cells
}

// String is the median, with the extremes if they differ.
func (s Spread) String() string {
	median, low, high := s.Median.String(), s.Min.String(), s.Max.String()
	if low == high {
		return median
	}
	return fmt.Sprintf("%s (%s-%s)", median, low, high)
}

// String has three significant digits, or all digits of a larger integer part.
func (n Number) String() string {
	v := float64(n)
	switch {
	case n.missing():
		return "-"
	case v == float64(int64(v)) || v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}
