package report

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/tables.md")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tables returns the Markdown for files of testdata.
func tables(t *testing.T, names ...string) string {
	t.Helper()
	var files []string
	for _, name := range names {
		files = append(files, filepath.Join("testdata", name+".json"))
	}
	c, err := ReadCollection(files)
	must(t, err)
	return c.Markdown()
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
	for range 20 { // the order of maps differs each time
		if tables(t, "bulk", "idle", "link") != got {
			t.Fatal("the same files give another text")
		}
	}
	if strings.Contains(got, "secret") {
		t.Error("a log got into the tables")
	}
}

// Every row must have as many cells as the header, or GitHub drops some.
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

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"10m0s": "10m0s", "20/100/0,1/2/3": "20/100/0,1/2/3", "^a|b$": "'^a|b$'", "it's": `'it'\''s'`, "": "''"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
