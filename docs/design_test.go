package docs

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTable: the table of design.md has every file with code. If it names files of a folder,
// it names all; if it names none, the row is about the whole folder.
func TestTable(t *testing.T) {
	named := filesOfTable(read(t, "docs/design.md"))
	code := 0
	for _, name := range tree(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		code++
		if !inTable(named, name) {
			t.Errorf("the table in docs/design.md lacks %s", name)
		}
	}
	if code < 200 {
		t.Errorf("only %d files found", code)
	}
}

func TestTableLacks(t *testing.T) {
	named := filesOfTable(`
| folder | file | about |
|---|---|---|
| ` + "`std/a`, `std/whole` | | |" + `
| ` + "`std/b` | `x.go`, `y*.go` | |" + `
| ` + "| package `inner` | |" + `
`)
	for name, in := range map[string]bool{
		"std/whole/x.go": true, "std/a/y.go": true, "std/b/x.go": true, "std/b/x_linux.go": true, "std/b/ya.go": true, "std/b/inner/z.go": true,
		"std/b/z.go": false, "std/c/x.go": false, "std/b/deep/x.go": false, "std/b/x_y.go": false,
	} {
		if inTable(named, name) != in {
			t.Errorf("%s is in the table: %t", name, !in)
		}
	}
}

var span = regexp.MustCompile("`([^`]+)`")

// filesOfTable returns the patterns of files that the table has of each folder, and an empty
// list for a whole folder.
func filesOfTable(page string) map[string][]string {
	named := map[string][]string{}
	_, table, _ := strings.Cut(page, "\n| folder | file | about |\n")
	var folders []string
	for line := range strings.Lines(table) {
		columns := strings.Split(line, "|")
		if len(columns) < 4 {
			break
		}
		if found := span.FindAllStringSubmatch(columns[1], -1); found != nil {
			folders = nil
			for _, folder := range found {
				folders = append(folders, folder[1])
				named[folder[1]] = nil
			}
		}
		for _, file := range span.FindAllStringSubmatch(columns[2], -1) {
			for _, folder := range folders {
				if strings.HasSuffix(file[1], ".go") {
					named[folder] = append(named[folder], file[1])
				} else {
					named[path.Join(folder, file[1])] = nil // a package in it
				}
			}
		}
	}
	return named
}

// ofSystem is the end of the name of a file that is for some systems or builds. Its row is that of
// the name without it.
var ofSystem = regexp.MustCompile(`_(?:linux|unix|windows|other|off)\.go$`)

func inTable(named map[string][]string, name string) bool {
	folder, file := path.Split(name)
	patterns, known := named[path.Clean(folder)]
	return known && (len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		fits, _ := path.Match(pattern, file)
		return fits || pattern == ofSystem.ReplaceAllString(file, ".go")
	}))
}
