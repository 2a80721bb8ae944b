package std_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which packages of the module a package may import, tests aside. Each is named
// after those that it may import, so that no circle can be written here. docs/design.md says
// why; whoever adds an arrow says so there.
var arrows = []struct{ name, imports string }{
	{"std/address", ""},
	{"std/build", ""},
	{"std/clock", ""},
	{"std/metrics", ""},
	{"std/quota", ""},
	{"std/hangup", ""},
	{"std/crypt/aescfb", ""},
	{"std/link/fec", ""},
	{"std/notice", "std/clock"},
	{"std/rescue", "std/notice"},
	{"std/shutdown", "std/rescue"},
	{"std/crypt", "std/crypt/aescfb"},
	{"std/config", "std/address std/build std/crypt"},
	{"std/listen", "std/address std/notice"},
	{"std/mux", "std/clock std/quota std/rescue"},
	{"std/arq", "std/clock std/quota std/rescue"},
	{"std/relay", "std/clock std/hangup std/mux std/notice std/rescue std/shutdown"},
	{"std/carrier", ""},
	{"std/carrier/mmsg", ""},
	{"std/carrier/resolve", "std/carrier"},
	{"std/carrier/udp", "std/carrier std/carrier/mmsg"},
	{"std/carrier/rawtcp", "std/carrier std/carrier/mmsg std/clock std/notice"},
	{"std/link", "std/carrier std/carrier/rawtcp std/carrier/resolve std/carrier/udp std/clock std/crypt std/link/fec std/metrics std/notice std/rescue"},
	{"std/session", "std/address std/arq std/clock std/config std/crypt std/link std/link/fec std/metrics std/mux std/quota std/rescue"},
	{"std/app", "std/carrier/rawtcp std/clock std/config std/link std/metrics std/rescue"},
	{"std", "std/address std/config std/relay std/session"},
	{"client", "std/address std/app std/carrier/resolve std/clock std/config std/hangup std/link std/listen std/mux std/notice std/relay std/session std/shutdown"},
	{"server", "std/address std/app std/clock std/config std/link std/listen std/mux std/notice std/relay std/session std/shutdown"},
}

// Imports point one way, on every system and with every build tag.
func TestArrows(t *testing.T) {
	allowed := make(map[string][]string)
	for _, a := range arrows {
		imports := strings.Fields(a.imports)
		for _, i := range imports {
			if _, before := allowed[i]; !before {
				t.Errorf("%s may import %s, which is not above it in the table", a.name, i)
			}
		}
		allowed[a.name] = imports
	}
	used := make(map[[2]string]bool)
	for _, root := range []string{"std", "client", "server"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
			name := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator)))
			isCode := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
			if err != nil || d.IsDir() || !isCode || strings.HasPrefix(name, "std/testkit") {
				return err
			}
			may, known := allowed[name]
			if !known {
				t.Errorf("package %s is not in the table", name)
			}
			for _, i := range importsOf(t, path) {
				used[[2]string{name, i}] = true
				if known && !slices.Contains(may, i) {
					t.Errorf("%s imports %s", filepath.ToSlash(path), i)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, imports := range allowed {
		for _, i := range imports {
			if strings.HasPrefix(name, "std/") && !used[[2]string{name, i}] {
				t.Errorf("%s may import %s, and no longer does", name, i)
			}
		}
	}
}

// importsOf are the packages of the module that a file imports.
func importsOf(t *testing.T, path string) (imports []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if inside, is := strings.CutPrefix(name, "kcptun/"); is {
			imports = append(imports, inside)
		}
	}
	return imports
}
