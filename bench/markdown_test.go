package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

var update = flag.Bool("update", false, "rewrite testdata/tables.md")

// tables is what the command prints for files of testdata.
func tables(t *testing.T, names ...string) string {
	t.Helper()
	var files []string
	for _, name := range names {
		files = append(files, filepath.Join("testdata", name+".json"))
	}
	var out bytes.Buffer
	must(t, tableCommand(files, &out, io.Discard))
	return out.String()
}

func TestTable(t *testing.T) {
	golden := filepath.Join("testdata", "tables.md")
	got := tables(t, "bulk", "idle", "link")
	if *update {
		must(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	lines, wanted := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(lines), len(wanted)) {
		if i >= len(lines) || i >= len(wanted) || lines[i] != wanted[i] {
			t.Fatalf("line %d differs; -update rewrites %s after a change that was meant. Now:\n%s", i+1, golden, got)
		}
	}
	for range 20 { // maps are walked in another order each time
		if tables(t, "bulk", "idle", "link") != got {
			t.Fatal("the same files give another text")
		}
	}
	if strings.Contains(got, "secret") {
		t.Error("a log got into the tables")
	}
}

// Every row has as many cells as its head, or GitHub drops some.
func TestTableCells(t *testing.T) {
	width := 0
	for line := range strings.Lines(tables(t, "bulk", "idle", "link")) {
		switch n := strings.Count(line, "|"); {
		case !strings.HasPrefix(line, "|"):
			width = 0
		case width == 0:
			width = n
		case n != width:
			t.Errorf("%d cells under a head of %d: %s", n-1, width-1, line)
		}
	}
}

func TestTableNeedsFiles(t *testing.T) {
	for _, args := range [][]string{nil, {"testdata/absent.json"}, {"testdata/tables.md"}, {"-x"}} {
		if err := tableCommand(args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: taken", args)
		}
	}
}

// Every case has its table: one that is in none would be shown as an unknown one,
// and one in two only in the first.
func TestSections(t *testing.T) {
	b := &bench{opts: opt(t), peer: lab.Programs{Client: "c", Server: "s"}}
	b.sizes = b.opts.sizes()
	for _, c := range b.cases() {
		n := 0
		for _, s := range sections() {
			if s.scenarios.MatchString(c.name) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d tables", c.name, n)
		}
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"10m0s": "10m0s", "20/100/0,1/2/3": "20/100/0,1/2/3", "^a|b$": "'^a|b$'", "it's": `'it'\''s'`, "": "''"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
