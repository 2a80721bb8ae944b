package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCollect(t *testing.T) {
	run := func(kind, about string, names ...string) *document {
		d := &document{Kind: kind}
		for _, name := range names {
			d.Results = append(d.Results, result{Case: name, About: about})
		}
		return d
	}
	c := collect([]*document{
		run("loopback", "first", "a", "b"), run("loopback", "none of it counts", "c"),
		run("link", "link", "a"), run("loopback", "last", "c", "a"),
	})
	names := func(results []result) (text string) {
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

func TestPlotSeveral(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "picture.svg")
	must(t, plotCommand([]string{"testdata/bulk.json", "-o", svg, "testdata/link.json"}, io.Discard))
	wellFormed(t, svg)
	text, err := os.ReadFile(svg)
	must(t, err)
	for _, want := range []string{"One stream down", "Goodput of one stream", "Rounds: 3;", "Rounds: 2;"} {
		if strings.Count(string(text), ">"+want) == 0 {
			t.Errorf("no %q", want)
		}
	}
	if err := plotCommand([]string{"testdata/idle.json", "-o", svg}, io.Discard); err == nil {
		t.Error("drawn, without anything to draw")
	}
}
