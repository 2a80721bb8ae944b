// Package docs holds the documents. There is no code in it, only the tests of what they name:
// links, files of this tree, and commands, and of what they must not leave out.
package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// pages are the documents, as paths from the top of the tree.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("*.md")
	if err != nil || len(found) < 5 {
		t.Fatalf("documents: %q, %v", found, err)
	}
	list := []string{"README.md", "README.zh.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE.md"}
	for _, name := range found {
		list = append(list, "docs/"+name)
	}
	return list
}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(fromTop(page))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n") // as git may check it out
}

func fromTop(path string) string { return filepath.Join("..", filepath.FromSlash(path)) }

// TestLinks: what a page links to exists, and has the heading that the link names.
func TestLinks(t *testing.T) {
	heads := func(page string) []string { return anchors(read(t, page)) }
	links := 0
	for _, page := range pages(t) {
		for _, link := range linkTargets(read(t, page)) {
			links++
			if problem := checkLink(page, link, heads); problem != "" {
				t.Errorf("%s: %s", page, problem)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links found: does the pattern still fit?", links)
	}
}

func TestLinksFail(t *testing.T) {
	heads := func(string) []string { return []string{"quick-start"} }
	for link, wrong := range map[string]bool{
		"flags.md":            false,
		"no-such-page.md":     true,
		"#quick-start":        false,
		"#no-such-head":       true,
		"flags.md#quick":      true,
		"../dist/linux":       false,
		"../dist/plan9":       true,
		"https://example.org": false,
	} {
		if problem := checkLink("docs/design.md", link, heads); (problem != "") != wrong {
			t.Errorf("%s: %q", link, problem)
		}
	}
}

var (
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	head  = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

func linkTargets(text string) (targets []string) {
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

// checkLink says what is wrong with a link of a page, or "".
func checkLink(page, to string, heads func(page string) []string) string {
	if strings.Contains(to, "://") {
		return "" // nothing is fetched here
	}
	path, anchor, _ := strings.Cut(to, "#")
	target := page
	if path != "" {
		target = filepath.ToSlash(filepath.Join(filepath.Dir(page), path))
	}
	if _, err := os.Stat(fromTop(target)); err != nil {
		return "links to " + to + ", which is not there"
	}
	if anchor != "" && !slices.Contains(heads(target), anchor) {
		return "links to " + to + ", and there is no such heading"
	}
	return ""
}

// anchors are the names that a viewer gives to the headings of a page: in small letters, hyphens for
// spaces, and without what is neither.
func anchors(text string) (names []string) {
	for _, m := range head.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return names
}

// TestFiles: files and folders of this tree that a page names are there.
func TestFiles(t *testing.T) {
	known := tree(t)
	named := 0
	for _, page := range pages(t) {
		if page == "CHANGELOG.md" {
			continue // it tells of what was
		}
		for _, name := range fileNames(read(t, page)) {
			named++
			if !known.has(name) {
				t.Errorf("%s names %s, which is not there", page, name)
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d files found: does the pattern still fit?", named)
	}
	if got := fileNames("`std/none.go` and `x*.go` ```\n./build-none.sh\n``` std/plain.go `/etc/std/x`"); !slices.Equal(got, []string{"std/none.go", "x*.go", "build-none.sh"}) {
		t.Errorf("a page with three names: %q", got)
	}
	for name, there := range map[string]bool{"std/mux/frame.go": true, "std/mux": true, "frame.go": true, "fr*.go": true, "std/frame.go": false, "no_*.go": false} {
		if known.has(name) != there {
			t.Errorf("%s is there: %t", name, !there)
		}
	}
}

// files are the paths in this tree.
type files []string

func tree(t *testing.T) (all files) {
	t.Helper()
	for _, top := range append(tops, "") {
		root := fromTop(top)
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			path = strings.TrimPrefix(filepath.ToSlash(path), "../")
			if top == "" && d.IsDir() && path != ".." {
				return filepath.SkipDir // built things and checkouts of others may be there
			}
			all = append(all, path)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// has tells whether a path exists, or for a bare name, whether a file of that name exists
// anywhere. A star stands for any part of a name.
func (all files) has(name string) bool {
	return slices.ContainsFunc(all, func(path string) bool {
		if !strings.Contains(name, "/") {
			path = path[strings.LastIndexByte(path, '/')+1:]
		}
		fits, err := filepath.Match(name, path)
		return err == nil && fits
	})
}

// tops are the folders at the top of the tree.
var tops = []string{".ci", "assets", "bench", "client", "demo", "dist", "docs", "e2e", "server", "std"}

var (
	code     = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")
	treePath = regexp.MustCompile(`^(?:` + strings.ReplaceAll(strings.Join(tops, "|"), ".", `\.`) + `)/[\w./*-]*[\w*]`)
	bareName = regexp.MustCompile(`^[\w*-]+\.(?:go|sh)$`)
)

// fileNames are the names in the code spans of a page that look like files of this tree.
func fileNames(text string) (names []string) {
	for _, span := range code.FindAllString(text, -1) {
		for _, word := range strings.Fields(strings.Trim(span, "`")) {
			word = strings.TrimPrefix(strings.TrimRight(word, ".,:;)"), "./")
			if strings.HasPrefix(word, "/") || strings.HasPrefix(word, "x_") || strings.Contains(word, "...") {
				continue // of the system; an example; packages
			}
			if m := treePath.FindString(word); m != "" {
				names = append(names, m)
			} else if bareName.MatchString(word) {
				names = append(names, word)
			}
		}
	}
	return names
}

// TestCommands: packages, tests, benchmarks and flags in the pages' commands exist.
func TestCommands(t *testing.T) {
	found := 0
	for _, page := range pages(t) {
		for _, c := range commands(read(t, page)) {
			found++
			if problem := checkCommand(c); problem != "" {
				t.Errorf("%s: %q: %s", page, c, problem)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands found: does the pattern still fit?", found)
	}
	for c, wrong := range map[string]bool{
		"go test ./docs -run TestLinks":            false,
		"go test -run xxx -bench Conn ./std/link":  false,
		"go test ./docs -run NoSuchTest":           true,
		"go test ./no/such/package":                true,
		"go run ./bench -rounds 3 -run '^(down1)'": false,
		"go run ./bench -no-such-flag 3":           true,
		"go run ./demonstration":                   true,
	} {
		if problem := checkCommand(c); (problem != "") != wrong {
			t.Errorf("%q: %q", c, problem)
		}
	}
}

var (
	goCommand   = regexp.MustCompile(`go (?:test|run|build) (?:'[^'\n]*'|[^'\n` + "`" + `#|])+`)
	packageArg  = regexp.MustCompile(`(?:^| )\./([\w/]+)(?:/?\.\.\.)?`)
	testPattern = regexp.MustCompile(`-(?:run|bench|fuzz) '?([^\s']+)`)
	benchFlag   = regexp.MustCompile(` -([a-z][a-z-]*)`)
	testName    = regexp.MustCompile(`(?m)^func (?:Test|Benchmark|Fuzz)(\w*)\(`)
)

func commands(text string) []string { return goCommand.FindAllString(text, -1) }

// checkCommand says what is wrong with a command of package go, or "".
func checkCommand(c string) string {
	args := packageArg.FindAllStringSubmatch(c, -1)
	var source []byte
	for _, arg := range args {
		found, _ := filepath.Glob(fromTop(arg[1] + "/*.go"))
		if len(found) == 0 && !strings.Contains(c, "...") {
			return "there is no package " + arg[1]
		}
		for _, file := range found {
			text, err := os.ReadFile(file)
			if err != nil {
				return err.Error()
			}
			source = append(source, text...)
		}
	}
	switch {
	case strings.HasPrefix(c, "go test"):
		return checkTests(c, source)
	case strings.HasPrefix(c, "go run ./bench"), strings.HasPrefix(c, "go run ./demo"):
		for _, flag := range benchFlag.FindAllStringSubmatch(c, -1) {
			if flag[1] != "h" && !bytes.Contains(source, []byte(`"`+flag[1]+`"`)) {
				return "there is no flag -" + flag[1]
			}
		}
	}
	return ""
}

// checkTests: each pattern of a go test command fits a test of its packages.
func checkTests(c string, source []byte) string {
	for _, m := range testPattern.FindAllStringSubmatch(c, -1) {
		if slices.Contains([]string{"xxx", "^$", "."}, m[1]) {
			continue // none, or all
		}
		pattern, err := regexp.Compile(m[1])
		if err != nil {
			return err.Error()
		}
		if !slices.ContainsFunc(testName.FindAllString(string(source), -1), func(name string) bool {
			return pattern.MatchString(strings.TrimSuffix(strings.TrimPrefix(name, "func "), "("))
		}) {
			return "no test fits " + m[1]
		}
	}
	return ""
}
