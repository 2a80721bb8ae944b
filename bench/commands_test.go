package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kcptun/bench/report"
	"kcptun/e2e/lab"
)

func TestTableNeedsFiles(t *testing.T) {
	for _, args := range [][]string{nil, {"report/testdata/absent.json"}, {"report/testdata/tables.md"}, {"-x"}} {
		if err := tableCommand(args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: taken", args)
		}
	}
}

// fill writes pages, and pictures beside them, and nothing if a page has a mistake.
func TestFillCommand(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.md")
	const marks = "<!-- bench all -->\n<!-- bench end -->\n<!-- bench picture: x.svg; .; .; goodput steady -->\n"
	must(t, os.WriteFile(page, []byte(marks), 0o644))
	must(t, fillCommand([]string{"report/testdata/link.json", page}, io.Discard, io.Discard))
	text, err := os.ReadFile(page)
	must(t, err)
	if !strings.Contains(string(text), "## Goodput") || !strings.Contains(string(text), "](x.svg)") {
		t.Errorf("%s", text)
	}
	_, err = os.Stat(filepath.Join(dir, "x.svg"))
	must(t, err)
	must(t, os.WriteFile(page, []byte("<!-- bench x -->"), 0o644))
	for _, args := range [][]string{{page}, {"report/testdata/link.json"}, {"report/testdata/link.json", page}, {"report/testdata/link.json", dir + "/no.md"}} {
		if err := fillCommand(args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: taken", args)
		}
	}
}

// The marks in our pages fit the tables below them.
func TestPagesFill(t *testing.T) {
	c, err := report.ReadCollection([]string{"report/testdata/link.json"})
	must(t, err)
	marks := 0
	for _, page := range []string{"../README.md", "../README.zh.md", "../docs/performance.md", "../docs/figures.md"} {
		text, err := os.ReadFile(page)
		must(t, err)
		plain := strings.ReplaceAll(string(text), "\r\n", "\n") // as git may check it out
		if _, err := c.Fill(plain); err != nil {
			t.Errorf("%s: %v", page, err)
		}
		marks += strings.Count(plain, "\n<!-- bench ")
	}
	if marks < 8 {
		t.Errorf("only %d marks found", marks)
	}
}

// Every case belongs to exactly one table. A case in none would be shown as unknown, and a
// case in two only in the first.
func TestSections(t *testing.T) {
	b := &bench{opts: opt(t), peer: lab.Programs{Client: "c", Server: "s"}}
	b.sizes = b.opts.sizes()
	for _, c := range b.cases() {
		if tables := report.TablesOf(c.name); len(tables) != 1 {
			t.Errorf("%s is in %d tables", c.name, len(tables))
		}
	}
}
