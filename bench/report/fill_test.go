package report

import (
	"fmt"
	"strings"
	"testing"
)

// measured is a collection of one link, with some medians of our column and of TCP BBR.
func measured(figures map[string]Number) *Collection {
	r := Result{Case: "100/100/1", About: "a link", Columns: []Column{{Name: auto, Against: "tcp bbr"}, {Name: "tcp bbr"}, {Name: "tcp x", Note: "none"}}}
	for name, value := range figures {
		r.Columns[0].Metrics = append(r.Columns[0].Metrics, Metric{Name: name, Rounds: Series{value}})
	}
	r.Columns[1].Metrics = []Metric{{Name: Goodput, Rounds: Series{8}}}
	r.Conclude(1)
	return collect([]*Document{{Kind: Link, Rounds: 1, Results: []Result{r}}})
}

func TestFill(t *testing.T) {
	const head = "text\n\n<!-- bench table: 100/100/1; ours auto: goodput steady; tcp bbr: goodput steady; tcp x: echo p50 -->\n| link | us | them | x |\n|---|--:|--:|--:|\n"
	const page = head + "| the name | 1 | 2 | 3 |\n\nmore\n" +
		"<!-- bench picture: a/b.svg; .; auto|bbr; goodput steady -->\nbetween\n" +
		"<!-- bench picture: c.svg; ^none$; .; goodput steady -->\n![old](c.svg)\n" +
		"<!-- bench targets -->\n| old |\n<!-- bench all -->\nold\n<!-- bench end -->\nend\n"
	c := measured(map[string]Number{Goodput: 12, ShareOfCap: 95})
	f, err := c.Fill(page)
	must(t, err)
	got := f.Text
	for _, want := range []string{
		head + "| the name | 12 | 8 | - |\n\nmore\n", "\n![Goodput of one stream, MB/s, without its start](a/b.svg)\nbetween\n", "\n![old](c.svg)\n",
		"| goodput, of what the link carries | at least 94 % | 95 % | 1 |  |\n", "\n## Goodput of one stream", "\n<!-- bench end -->\nend\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "| old |") || strings.Contains(got, "\nold\n") || len(f.Pictures) != 1 || !strings.HasPrefix(f.Pictures["a/b.svg"], "<svg ") {
		t.Errorf("%d pictures, and:\n%s", len(f.Pictures), got)
	}
	again, err := c.Fill(got)
	must(t, err)
	if again.Text != got || len(again.Kept) > 0 {
		t.Errorf("the second time it is different, or %q:\n%s", again.Kept, again.Text)
	}
	same, err := collect(nil).Fill(got)
	must(t, err)
	if !strings.Contains(same.Text, head+"| the name | 12 | 8 | - |\n") || len(same.Kept) != 1 {
		t.Errorf("without figures %q:\n%s", same.Kept, same.Text)
	}
}

// A table of which only a part was measured stays as it is; one that is not there yet is
// made.
func TestFillWhole(t *testing.T) {
	const part = "<!-- bench table: 100/100/1; ours auto: goodput steady; tcp bbr: echo p50 -->\n| a | b | c |\n|---|--:|--:|\n| x | 1 | 2 |\n"
	f, err := measured(map[string]Number{Goodput: 12}).Fill(part)
	must(t, err)
	if f.Text != part || len(f.Kept) != 1 || f.Kept[0] != "line 1 stays as it is: 1 of 2 figures are missing, the first is echo p50 of tcp bbr in 100/100/1" {
		t.Errorf("%q\n%s", f.Kept, f.Text)
	}
	const none = "<!-- bench table: 100/100/1; ours auto: goodput steady -->\n"
	f, err = measured(map[string]Number{Goodput: 12}).Fill(none)
	must(t, err)
	if want := none + "| link | ours auto: goodput steady |\n| --- | --: |\n| 100/100/1 | 12 |\n"; f.Text != want {
		t.Errorf("%s\nwant\n%s", f.Text, want)
	}
}

// A page may say which file each part is filled from.
func TestFillFrom(t *testing.T) {
	const page = "<!-- bench from: b.json -->\n<!-- bench table: 100/100/1; ours auto: goodput steady -->\n| link | us |\n|---|--:|\n| x | %s |\n" +
		"<!-- bench from -->\n<!-- bench table: 100/100/1; ours auto: goodput steady -->\n| link | us |\n|---|--:|\n| x | %s |\n"
	fill := func(last string) Filled {
		var runs []*Document
		for i, name := range []string{"a.json", last} {
			d := measured(map[string]Number{Goodput: Number(7 - 3*i)}).read[0]
			d.file = name
			runs = append(runs, d)
		}
		f, err := collect(runs).Fill(fmt.Sprintf(page, "1", "1"))
		must(t, err)
		return f
	}
	if f := fill("b.json"); f.Text != fmt.Sprintf(page, "4", "4") || len(f.Kept) > 0 {
		t.Errorf("%q:\n%s", f.Kept, f.Text)
	}
	if f := fill("c.json"); f.Text != fmt.Sprintf(page, "1", "4") || len(f.Kept) != 1 {
		t.Errorf("without the file %q:\n%s", f.Kept, f.Text)
	}
}

// What was run is told with the figures, so that it cannot be about others.
func TestFillRuns(t *testing.T) {
	c := measured(map[string]Number{Goodput: 12})
	c.runs[0].Flags, c.runs[0].Date = map[string]string{"link": "true", "echofirst": "true", "time": "9s"}, "today"
	c.runs[0].Machine = Machine{CPU: "a processor", Cores: 2, System: "x/y", Go: "go2"}
	const want = "<!-- bench runs -->\nMeasured by `go run ./bench -echofirst -link -time 9s`: one round; today; a processor, 2 cores, x/y, ours built with go2.\nmore\n"
	for _, page := range []string{"<!-- bench runs -->\nmore\n", "<!-- bench runs -->\nMeasured by another run\nMeasured by a second\nmore\n"} {
		if f, err := c.Fill(page); err != nil || f.Text != want {
			t.Errorf("%v:\n%s\nwant\n%s", err, f.Text, want)
		}
	}
	if f, err := collect(nil).Fill(want); err != nil || f.Text != want {
		t.Errorf("without a run %v:\n%s", err, f.Text)
	}
}

// Lines of figures keep their names and units, and stay if one of them was not measured.
func TestFillRows(t *testing.T) {
	const mark = "<!-- bench rows: ours auto, tcp bbr; 100/100/1: goodput steady; 100/100/1: %s -->\n| | a | b |\n|---|--:|--:|\n"
	whole := strings.ReplaceAll(mark, "%s", "goodput steady")
	f, err := measured(map[string]Number{Goodput: 12}).Fill(whole + "| x | 1.5 MB/s | 2 |\n| y | - | 3 秒 |\n")
	must(t, err)
	if want := whole + "| x | 12 MB/s | 8 |\n| y | 12 | 8 秒 |\n"; f.Text != want || len(f.Kept) > 0 {
		t.Errorf("%q:\n%s\nwant\n%s", f.Kept, f.Text, want)
	}
	part := strings.ReplaceAll(mark, "%s", "echo p50") + "| x | 1 | 2 |\n| y | 3 | 4 |\n"
	f, err = measured(map[string]Number{Goodput: 12}).Fill(part)
	must(t, err)
	if f.Text != part || len(f.Kept) != 1 {
		t.Errorf("%q:\n%s", f.Kept, f.Text)
	}
}

// A mark that does not fit what follows it is an error.
func TestFillRefuses(t *testing.T) {
	const table = "\n| a | b |\n|---|--:|\n| x | 1 |\n"
	for mark, want := range map[string]string{
		"table: 100/100/1, 1/2/3; ours auto: goodput steady": "2 cases and 1 columns for a table of 3 lines",
		"rows: a, b; c: d":        "2 columns for \"| x | 1 |\"",
		"rows: a; c: d; e: f":     "2 figures for a table of 3 lines",
		"table: 100/100/1":        "1 cases and 0 columns",
		"picture: a.svg; .; .":    "a picture has 4 parts, not 3",
		"picture: a.svg; (; .; x": "missing closing",
		"all":                     "no end",
		"nothing":                 "none of table, rows, targets",
	} {
		_, err := measured(map[string]Number{Goodput: 12}).Fill("\n<!-- bench " + mark + " -->" + table)
		if err == nil || !strings.HasPrefix(err.Error(), "line 2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", mark, err, want)
		}
	}
}

// Of several cases the worst counts, and a case without the figure does not.
func TestGoals(t *testing.T) {
	aim := goal{cases: "[0-9]", column: auto, metric: "m", least: true, bound: 5}
	results := []Result{{Case: "none"}, {Case: "3"}}
	for i, v := range []Number{7, 6, none, 1} {
		name := []string{"0", "1", "2", "x"}[i]
		results = append(results, Result{Case: name, Columns: []Column{{Name: auto, Metrics: []Metric{{Name: "m", Spread: Spread{Median: v}}}}}})
	}
	if v, at, missed, n := aim.worst(results); v != 6 || at != "1" || n != 2 || missed != nil {
		t.Errorf("%v of %d: %s, missed in %q", v, n, at, missed)
	}
	aim.least, aim.bound = false, 6
	if v, at, missed, n := aim.worst(results); v != 7 || at != "0" || n != 2 || len(missed) != 1 || missed[0] != "0" {
		t.Errorf("%v of %d: %s, missed in %q", v, n, at, missed)
	}
	// A bound of 10.7 is reached by what is shown as 10.7.
	aim = goal{cases: "[0-9]", column: auto, metric: "m", least: true, bound: 10.7}
	results[2].Columns[0].Metrics[0].Median, results[3].Columns[0].Metrics[0].Median = 10.66, 10.66
	if _, _, missed, _ := aim.worst(results); len(missed) > 0 {
		t.Errorf("missed in %q", missed)
	}
	if aim.ratio = true; aim.value(&results[2]) == aim.value(&results[2]) {
		t.Error("a figure that is compared with none has a ratio")
	}
}
