package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Grid is a Markdown table with text in the leading columns and numbers in the others.
type Grid struct {
	Text int // number of leading columns with text
	Head []string
	rows [][]string
}

// Add adds a row.
func (g *Grid) Add(cells ...string) { g.rows = append(g.rows, cells) }

// String returns the table, one line per row.
func (g *Grid) String() string {
	w := new(strings.Builder)
	line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	line(g.Head)
	rule := slices.Repeat([]string{"--:"}, len(g.Head))
	for i := range g.Text {
		rule[i] = "---"
	}
	line(rule)
	for _, row := range g.rows {
		line(row)
	}
	return w.String()
}

// heading describes the machines and what was run on each.
func (c *Collection) heading() string {
	var order []string
	commands := make(map[string][]string)
	for _, d := range c.runs {
		m := d.Machine.Line()
		if commands[m] == nil {
			order = append(order, m)
		}
		commands[m] = append(commands[m], fmt.Sprintf("%s    # %s, rounds: %d", d.Command(), d.Date, d.Rounds))
	}
	w := new(strings.Builder)
	for _, m := range order {
		fmt.Fprintf(w, "Machine: %s.\n\n```\n%s\n```\n\n", m, strings.Join(commands[m], "\n"))
	}
	fmt.Fprintln(w, "Medians of the rounds, in brackets the least and the most. A ratio is ours divided by the peer's, or by what its column names.")
	return w.String()
}

// runLines says of each run how it was started, when and on which machine.
func (c *Collection) runLines() string {
	w := new(strings.Builder)
	for _, d := range c.runs {
		rounds := "one round"
		if d.Rounds > 1 {
			rounds = fmt.Sprintf("medians of %d rounds", d.Rounds)
		}
		fmt.Fprintf(w, "%s`%s`: %s; %s; %s.\n", runBegins, d.Command(), rounds, d.Date, d.Machine.Line())
	}
	return w.String()
}

// runBegins begins each line about a run.
const runBegins = "Measured by "

// Command shows how the run was started, without paths.
func (d *Document) Command() string {
	words := []string{"go run ./bench"}
	for _, name := range slices.Sorted(maps.Keys(d.Flags)) {
		words = append(words, "-"+name)
		switch value := d.Flags[name]; {
		case slices.Contains([]string{"link", "short", "targets", "echofirst"}, name): // these flags have no value
		case value == PathGiven:
			words = append(words, "FILE")
		default:
			words = append(words, shellWord(value))
		}
	}
	return strings.Join(words, " ")
}

// shellWord quotes words that a shell would change.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("-_./,:=@%+", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// legend explains each word in the names of the cases or, with whole, each case. The
// remarks follow.
func legend(results []Result, whole bool) string {
	w := new(strings.Builder)
	said := make(map[string]bool)
	for _, r := range results {
		name := r.Case
		if !whole {
			name, _, _ = strings.Cut(name, "/")
		}
		if !said[name] {
			said[name] = true
			fmt.Fprintf(w, "- %s: %s\n", name, r.About)
		}
	}
	return w.String() + remarks(results)
}

// remarks lists the notes of the columns, each once with its cases, and the first line of
// every failure.
func remarks(results []Result) string {
	w := new(strings.Builder)
	var order []string
	cases := make(map[string][]string)
	for _, r := range results {
		for _, c := range r.Columns {
			if c.Note == "" {
				continue
			}
			note := fmt.Sprintf("%s: %s", c.Name, c.Note)
			if cases[note] == nil {
				order = append(order, note)
			}
			cases[note] = append(cases[note], r.Case)
		}
	}
	for _, note := range order {
		fmt.Fprintf(w, "- %s (%s)\n", note, strings.Join(cases[note], ", "))
	}
	for _, r := range results {
		for _, c := range r.Columns {
			for _, f := range c.Failures {
				first, _, _ := strings.Cut(f, "\n")
				fmt.Fprintf(w, "- **%s, %s: failed in %s**\n", r.Case, c.Name, first)
			}
		}
	}
	return w.String()
}
