package report

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// FillHelp explains what Fill looks for.
const FillHelp = `A page says by comments what stands below them:
  <!-- bench table: CASE, ...; COLUMN: METRIC; ... -->     a table: a line for each case; head and first cells are kept
  <!-- bench rows: COLUMN, ...; CASE: METRIC; ... -->      a table that is there: a line for each figure; head, first cells and units are kept
  <!-- bench targets -->                                   the table of mode auto and its targets
  <!-- bench runs -->                                      lines that say what was run, when and where
  <!-- bench picture: FILE; CASES; COLUMNS; METRIC -->     a picture of links; CASES and COLUMNS are regexps
  <!-- bench all --> ... <!-- bench end -->                everything that table prints
  <!-- bench from: FILE -->                                what follows is filled from that file alone; bench from, without a file, ends that
A table or picture for which the files lack a figure stays as it is.
`

// marker matches the comments.
var marker = regexp.MustCompile(`^<!-- bench (\w+)(?:: (.*))? -->$`)

// Filled is a page with figures.
type Filled struct {
	Text     string
	Pictures map[string]string // by the name that the page has for them
	Kept     []string          // what was not filled in, and why
}

// Fill fills in the parts of a page that comments mark.
func (c *Collection) Fill(page string) (f Filled, err error) {
	f.Pictures = make(map[string]string)
	lines := strings.Split(page, "\n")
	var out []string
	from := c
	for i := 0; i < len(lines); {
		m := marker.FindStringSubmatch(strings.TrimSpace(lines[i]))
		out = append(out, lines[i])
		if i++; m == nil {
			continue
		}
		end := i + length(m[1], lines[i:])
		if end < i {
			return f, fmt.Errorf("line %d: no end of it", i)
		}
		if m[1] == "from" {
			from = c.of(m[2])
		}
		filled, err := from.fill(m[1], strings.Split(m[2], "; "), lines[i:end], f.Pictures)
		switch {
		case errors.Is(err, errMissing):
			f.Kept = append(f.Kept, fmt.Sprintf("line %d stays as it is: %v", i, err))
		case err != nil:
			return f, fmt.Errorf("line %d: %w", i, err)
		}
		out, i = append(out, filled...), end
	}
	f.Text = strings.Join(out, "\n")
	return f, nil
}

// errMissing is the error of a table of which the files do not have all figures. It stays,
// since the figures of one table belong together.
var errMissing = errors.New("figures are missing")

// length is how many lines a mark is about: up to the mark of the end, or a table, or a
// picture; negative if the mark of the end is missing.
func length(kind string, lines []string) int {
	begins := map[string]string{"table": "|", "rows": "|", "targets": "|", "picture": "![", "runs": runBegins}[kind]
	for i, line := range lines {
		switch {
		case kind == "end" || kind == "from" || kind != "all" && !strings.HasPrefix(line, begins):
			return i
		case kind == "all" && line == "<!-- bench end -->":
			return i
		}
	}
	if kind == "all" {
		return -1
	}
	return len(lines)
}

// fill returns the lines below a mark.
func (c *Collection) fill(kind string, args, old []string, pictures map[string]string) ([]string, error) {
	switch kind {
	case "end", "from":
		return old, nil
	case "table":
		return c.fillTable(args, old)
	case "rows":
		return c.fillRows(strings.Split(args[0], ", "), args[1:], old)
	case "targets":
		return orLines(c.goalsTable(), old), nil
	case "runs":
		return orLines(c.runLines(), old), nil
	case "picture":
		return c.fillPicture(args, old, pictures)
	case "all":
		return orLines("\n"+strings.TrimPrefix(c.Markdown(), figuresTitle)+"\n", old), nil
	}
	return nil, fmt.Errorf("%q is none of table, rows, targets, runs, picture, all, from and end", kind)
}

// orLines splits a text into lines; of an empty one it keeps the old lines.
func orLines(text string, old []string) []string {
	if text == "" {
		return old
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// fillTable keeps the head of a table and the first cell of each line. If there is no table
// yet, it makes these of the names.
func (c *Collection) fillTable(args, old []string) ([]string, error) {
	cases, columns := strings.Split(args[0], ", "), args[1:]
	if len(columns) == 0 || len(old) > 0 && len(old) != 2+len(cases) {
		return nil, fmt.Errorf("%d cases and %d columns for a table of %d lines", len(cases), len(columns), len(old))
	}
	lines := newTable(cases, columns)
	if len(old) > 0 {
		lines = slices.Clone(old)
	}
	var missing []string
	for i, name := range cases {
		cells := []string{strings.TrimSpace(strings.Split(lines[2+i], "|")[1])}
		for _, arg := range columns {
			column, metric, _ := strings.Cut(arg, ": ")
			value, ok := c.median(name, column, metric)
			if !ok {
				missing = append(missing, fmt.Sprintf("%s of %s in %s", metric, column, name))
			}
			cells = append(cells, value)
		}
		lines[2+i] = "| " + strings.Join(cells, " | ") + " |"
	}
	if len(missing) > 0 {
		return old, fmt.Errorf("%d of %d %w, the first is %s", len(missing), len(cases)*len(columns), errMissing, missing[0])
	}
	return lines, nil
}

// fillRows fills a table with a line for each figure and a column for each contender. What
// follows the number in a cell is its unit, and stays.
func (c *Collection) fillRows(columns, figures, old []string) ([]string, error) {
	if len(figures) == 0 || len(old) != 2+len(figures) {
		return nil, fmt.Errorf("%d figures for a table of %d lines", len(figures), len(old))
	}
	lines := slices.Clone(old)
	for i, figure := range figures {
		cells := strings.Split(strings.Trim(lines[2+i], "| "), " | ")
		if len(cells) != 1+len(columns) {
			return nil, fmt.Errorf("%d columns for %q", len(columns), lines[2+i])
		}
		name, metric, _ := strings.Cut(figure, ": ")
		for k, column := range columns {
			value, ok := c.median(name, column, metric)
			if !ok {
				return old, fmt.Errorf("%w, the first is %s of %s in %s", errMissing, metric, column, name)
			}
			cells[1+k] = value + strings.TrimLeft(cells[1+k], "0123456789.-")
		}
		lines[2+i] = "| " + strings.Join(cells, " | ") + " |"
	}
	return lines, nil
}

// newTable is a table without figures.
func newTable(cases, columns []string) []string {
	g := &Grid{Text: 1, Head: append([]string{"link"}, columns...)}
	for _, name := range cases {
		g.Add(name)
	}
	return strings.Split(strings.TrimSuffix(g.String(), "\n"), "\n")
}

// median is a median as tables show it; ok tells that the column was measured, or noted why
// not.
func (c *Collection) median(name, column, metric string) (text string, ok bool) {
	for _, results := range [][]Result{c.link, c.loopback} {
		for i := range results {
			col := results[i].Column(column)
			switch {
			case results[i].Case != name || col == nil:
			case col.Metric(metric) != nil:
				return col.Metric(metric).Median.String(), true
			case col.Note != "":
				return "-", true
			}
		}
	}
	return "-", false
}

// fillPicture draws a picture, and refers to it with its title as the text.
func (c *Collection) fillPicture(args, old []string, pictures map[string]string) ([]string, error) {
	if len(args) != 4 {
		return nil, fmt.Errorf("a picture has 4 parts, not %d", len(args))
	}
	cases, err := regexp.Compile(args[1])
	if err != nil {
		return nil, err
	}
	columns, err := regexp.Compile(args[2])
	if err != nil {
		return nil, err
	}
	links := Collection{runs: c.runs, link: c.link}
	o := PlotOptions{Metric: args[3], Columns: columns, Cases: cases}
	svg, ok := links.SVG(o)
	if !ok {
		return old, nil
	}
	pictures[args[0]] = svg
	return []string{fmt.Sprintf("![%s](%s)", o.title(), args[0])}, nil
}
