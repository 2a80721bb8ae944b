package report

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestCollect(t *testing.T) {
	run := func(kind, about string, names ...string) *Document {
		d := &Document{Kind: kind}
		for _, name := range names {
			d.Results = append(d.Results, Result{Case: name, About: about})
		}
		return d
	}
	c := collect([]*Document{
		run("loopback", "first", "a", "b"), run("loopback", "none of it counts", "c"),
		run("link", "link", "a"), run("loopback", "last", "c", "a"),
	})
	names := func(results []Result) (text string) {
		for _, r := range results {
			text += r.Case + " " + r.About + ", "
		}
		return text
	}
	if got := names(c.loopback); got != "a last, b first, c last, " {
		t.Errorf("loopback: %s", got)
	}
	if got := names(c.link); got != "a link, " {
		t.Errorf("link: %s", got)
	}
	if len(c.runs) != 3 || c.runs[1].Kind != "link" {
		t.Errorf("%d runs count", len(c.runs))
	}
}

// Columns of a case that were measured separately stand side by side, the last one of each
// name, and are compared with each other.
func TestCollectColumns(t *testing.T) {
	run := func(columns ...Column) *Document {
		return &Document{Kind: Targets, Results: []Result{{Kind: Link, Case: "1/2/3", Columns: columns}}}
	}
	column := func(name, against string, value Number) Column {
		return Column{Name: name, Against: against, Metrics: []Metric{{Name: Goodput, Rounds: Series{value}}}}
	}
	c := collect([]*Document{
		run(column("auto", "bbr", 1), column("fast", "", 1)), run(column("auto", "bbr", 6)), run(column("bbr", "", 3)),
	})
	if len(c.link) != 1 || len(c.loopback) != 0 || len(c.runs) != 3 {
		t.Fatalf("%d links, %d on loopback, %d runs", len(c.link), len(c.loopback), len(c.runs))
	}
	r := c.link[0]
	if len(r.Columns) != 3 || r.Column("auto").Metric(Goodput).Median != 6 {
		t.Errorf("columns %+v", r.Columns)
	}
	if ratio := r.Column("auto").Metric(Goodput).Ratio; ratio == nil || ratio.Median != 2 {
		t.Errorf("compared: %+v", ratio)
	}
}

func TestPlotSeveral(t *testing.T) {
	c, err := ReadCollection([]string{"testdata/bulk.json", "testdata/link.json"})
	must(t, err)
	svg, ok := c.SVG(PlotOptions{})
	if !ok {
		t.Fatal("nothing was drawn")
	}
	wellFormed(t, svg)
	for _, want := range []string{"One stream down", "Goodput of one stream", "Rounds: 3;", "Rounds: 2;"} {
		if strings.Count(svg, ">"+want) == 0 {
			t.Errorf("no %q", want)
		}
	}
	c, err = ReadCollection([]string{"testdata/idle.json"})
	must(t, err)
	if _, ok := c.SVG(PlotOptions{}); ok {
		t.Error("drawn, without anything to draw")
	}
	c, err = ReadCollection([]string{"testdata/link.json"})
	must(t, err)
	svg, _ = c.SVG(PlotOptions{Metric: "echo p50", Columns: regexp.MustCompile("bbr")})
	if n := strings.Count(svg, ">tcp bbr<"); n != 1 || strings.Contains(svg, "cubic") || !strings.Contains(svg, ">Echo beside the stream, p50, ms<") {
		t.Errorf("not what was asked for, %d:\n%s", n, svg)
	}
	for _, o := range []PlotOptions{{Metric: "none"}, {Columns: regexp.MustCompile("^none$")}} {
		if _, ok := c.SVG(o); ok {
			t.Errorf("%+v: drawn", o)
		}
	}
}

// wellFormed expects an XML document with some bars.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	if bars := wellFormedXML(t, svg)["rect"]; bars < 4 {
		t.Errorf("%d bars", bars)
	}
}

// wellFormedXML counts the elements of an XML document by name.
func wellFormedXML(t *testing.T, text string) map[string]int {
	t.Helper()
	count := make(map[string]int)
	for dec := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		must(t, err)
		if el, ok := token.(xml.StartElement); ok {
			count[el.Name.Local]++
		}
	}
}
