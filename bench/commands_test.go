package main

import (
	"io"
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
