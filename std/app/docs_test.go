package app

import (
	"bytes"
	"flag"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kcptun/std/config"
	"kcptun/std/testkit"
)

var updateDocs = flag.Bool("update", false, "rewrite the man pages")

const (
	flagsPage   = "../../docs/flags.md"
	troublePage = "../../docs/troubleshooting.md"
)

// TestFlagReferenceAndHelp: the page contains everything that the help of the two programs
// names.
func TestFlagReferenceAndHelp(t *testing.T) {
	heads := regexp.MustCompile(`(?m)^### .*$`).FindAllString(testkit.ReadPage(t, flagsPage), -1)
	for _, role := range []config.Role{config.Client, config.Server} {
		var help bytes.Buffer
		App{Role: role, Version: "test"}.Main([]string{"prog", "--help"}, &help, io.Discard)
		_, options, _ := strings.Cut(help.String(), "OPTIONS:\n")
		for line := range strings.Lines(options) {
			for _, name := range flagWord.FindAllString(strings.SplitN(strings.TrimSpace(line), "  ", 2)[0], -1) {
				if !slices.ContainsFunc(heads, func(h string) bool { return strings.Contains(h, "`"+strings.TrimSpace(name)+"`") }) {
					t.Errorf("%s of the %v's help is not in %s", name, role, flagsPage)
				}
			}
		}
	}
}

// notOurs are flags of other programs that the pages show in code.
var notOurs = []string{
	"-o", // go build
	"-tags",
	"-run", // go test and go run ./bench
	"-bench",
	"-benchtime",
	"-rounds",
	"-peer", // -client and -server, of the bench
	"-link", // of the bench
	"-cells",
	"-columns",
	"-update",
	"-USR1", // kill
	"-p",    // ssh
	"-D",    // install
	"-m",
	"--system", // sysctl
	"--now",    // systemctl
}

var (
	codeSpan = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")
	flagWord = regexp.MustCompile(`(?:^|[\s(/"])--?[a-zA-Z][a-zA-Z0-9]*`)
)

// TestPagesNameFlagsThatExist: flags in code spans of the pages for users are flags of a
// program.
func TestPagesNameFlagsThatExist(t *testing.T) {
	for _, page := range []string{"../../README.md", "../../README.zh.md", "../../CHANGELOG.md", flagsPage, troublePage} {
		for _, name := range unknownFlags(testkit.ReadPage(t, page)) {
			t.Errorf("%s: %s is not a flag of client or server", page, name)
		}
	}
	if got := unknownFlags("`--con 2` --free `x` ```\nclient -l a --bad\n``` `aes-128-gcm` `--nocomp=false`"); !slices.Equal(got, []string{"--con", "--bad"}) {
		t.Errorf("a page with two wrong flags: %q", got)
	}
}

func unknownFlags(page string) (unknown []string) {
	known := []string{"c", "help", "h", "version", "v", "json"}
	for _, s := range config.Both.Settings(new(config.Config)) {
		known = append(known, s.Name, s.Short)
	}
	for _, span := range codeSpan.FindAllString(page, -1) {
		for _, word := range flagWord.FindAllString(strings.Trim(span, "`"), -1) {
			word = word[strings.IndexByte(word, '-'):]
			if !slices.Contains(notOurs, word) && !slices.Contains(known, strings.TrimLeft(word, "-")) {
				unknown = append(unknown, word)
			}
		}
	}
	return unknown
}

var logCall = regexp.MustCompile(`(?:Log|log)\.(?:Info|Warn|Error)\("([^"]+)"`)

// TestLogLinesAreExplained: docs/troubleshooting.md explains every line that the programs
// log.
func TestLogLinesAreExplained(t *testing.T) {
	page, found := testkit.ReadPage(t, troublePage), 0
	for _, dir := range []string{"..", "../../client", "../../server"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, call := range logCall.FindAllStringSubmatch(testkit.ReadPage(t, path), -1) {
				found++
				if !strings.Contains(page, strings.TrimSpace(call[1])) {
					t.Errorf("%s logs %q, which %s does not explain", path, call[1], troublePage)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 20 {
		t.Errorf("only %d log lines found in the source: does the pattern still fit?", found)
	}
}

// The README names the Go version on which its list of oldest supported systems depends.
func TestOldestSystems(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(testkit.ReadPage(t, "../../go.mod"))
	if version == nil {
		t.Fatal("go.mod names no version of Go")
	}
	for _, page := range []string{"../../README.md", "../../README.zh.md"} {
		if !strings.Contains(testkit.ReadPage(t, page), "Go "+version[1]) {
			t.Errorf("%s does not name Go %s: do its oldest systems still hold?", page, version[1])
		}
	}
}
