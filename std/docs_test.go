package std

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var updateDocs = flag.Bool("update", false, "rewrite the generated lines of docs/flags.md")

const (
	flagsPage   = "../docs/flags.md"
	troublePage = "../docs/troubleshooting.md"
)

// TestFlagReference: docs/flags.md has a section for every setting of both ends,
// which begins with what the table of settings says, and none for anything else.
// With -update it rewrites the beginnings and keeps the notes below them.
func TestFlagReference(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("docs/flags.md gives the ranges of 64-bit programs")
	}
	page := readPage(t, flagsPage)
	if *updateDocs {
		page = updateSections(page)
		if err := os.WriteFile(flagsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, problem := range compareSections(page) {
		t.Error(problem)
	}
	if t.Failed() {
		t.Log("go test ./std -run TestFlagReference -update rewrites these lines")
	}
}

// TestFlagReferenceFails: each way in which the page can be wrong is found.
func TestFlagReferenceFails(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("as TestFlagReference")
	}
	page := readPage(t, flagsPage)
	for _, c := range []struct {
		old, new string
		mends    bool // -update does: the section is still to be recognised
	}{
		{"### `--conn`\n", "### `--con`\n", false},
		{"### `--nc`\n", "### nc\n", false},
		{"### `--sndwnd`\n", "### `--invented`\n\n### `--sndwnd`\n", false},
		{"### `--help`, `-h`\n", "", false},
		{"### `--datashard`, `--ds`\n", "### `--datashard`\n", true},
		{"| `qpp-count` |", "| `qppcount` |", true},
		{"| `128` | `1024` |", "| `128` | `1025` |", true},
		{"> send window in packets", "> the send window", true},
		{"0 to 63 |", "0 to 64 |", true},
		{hiddenLine + "\n", "", true},
	} {
		changed := strings.Replace(page, c.old, c.new, 1)
		switch {
		case changed == page:
			t.Errorf("%q is not on the page", c.old)
		case len(compareSections(changed)) == 0:
			t.Errorf("%q in place of %q goes unnoticed", c.new, c.old)
		case c.mends && updateSections(changed) != page:
			t.Errorf("-update does not mend %q in place of %q", c.new, c.old)
		}
	}
}

// TestFlagReferenceAndHelp: what the two programs' help names is on the page.
func TestFlagReferenceAndHelp(t *testing.T) {
	heads := headLines(readPage(t, flagsPage))
	for _, role := range []Role{Client, Server} {
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

// notOurs are the flags of other programs that the pages show in code.
var notOurs = []string{
	"-o", // go build
	"-tags",
	"-run", // go test and go run ./bench
	"-rounds",
	"-peer", // -client and -server, of the bench
	"-link", // of the bench
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

// TestPagesNameFlagsThatExist: the flags in the code spans of the pages for
// users are flags of a program.
func TestPagesNameFlagsThatExist(t *testing.T) {
	for _, page := range []string{"../README.md", "../README.zh.md", "../CHANGELOG.md", flagsPage, troublePage} {
		for _, name := range unknownFlags(readPage(t, page)) {
			t.Errorf("%s: %s is not a flag of client or server", page, name)
		}
	}
	if got := unknownFlags("`--con 2` --free `x` ```\nclient -l a --bad\n``` `aes-128-gcm` `--nocomp=false`"); !slices.Equal(got, []string{"--con", "--bad"}) {
		t.Errorf("a page with two wrong flags: %q", got)
	}
}

func unknownFlags(page string) (unknown []string) {
	known := []string{"c", "help", "h", "version", "v", "json"}
	for _, s := range settings(new(Config)) {
		known = append(known, s.name, s.short)
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

// TestLogLinesAreExplained: docs/troubleshooting.md explains every line that the
// programs log.
func TestLogLinesAreExplained(t *testing.T) {
	page, found := readPage(t, troublePage), 0
	for _, dir := range []string{".", "../client", "../server"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, call := range logCall.FindAllStringSubmatch(readPage(t, path), -1) {
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

func readPage(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n") // as git may check it out
}

// The README names the Go version on which its list of oldest systems depends.
func TestOldestSystems(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readPage(t, "../go.mod"))
	if version == nil {
		t.Fatal("go.mod names no version of Go")
	}
	for _, page := range []string{"../README.md", "../README.zh.md"} {
		if !strings.Contains(readPage(t, page), "Go "+version[1]) {
			t.Errorf("%s does not name Go %s: do its oldest systems still hold?", page, version[1])
		}
	}
}

// flagHeads are the generated beginnings of the sections, in the order of the
// help text.
func flagHeads() (heads []string) {
	client, server := DefaultConfig(Client), DefaultConfig(Server)
	atServer := settings(&server)
	for i, s := range settings(&client) {
		heads = append(heads, s.head(shownDefault(Client, s), shownDefault(Server, atServer[i])))
	}
	return heads
}

func (s setting) head(client, server string) string {
	names := "`" + s.flag() + "`"
	switch {
	case len(s.short) == 1:
		names += ", `-" + s.short + "`"
	case s.short != "":
		names += ", `--" + s.short + "`"
	}
	valid := s.valid()
	if valid == "" {
		valid = "text"
	}
	if s.below != nil {
		valid += fmt.Sprintf("; less is %d", *s.below)
	}
	if s.above != nil {
		valid += fmt.Sprintf("; more is %d", *s.above)
	}
	text := fmt.Sprintf("### %s\n\n> %s\n\n| JSON key | default at the client | default at the server | valid |\n|---|---|---|---|\n| `%s` | %s | %s | %s |\n",
		names, s.usage, s.key, client, server, valid)
	if s.env != "" {
		text += envLine + s.env + "`.\n"
	}
	if s.hidden {
		text += hiddenLine + "\n"
	}
	return text
}

// Lines that some generated beginnings have below the table.
const (
	envLine    = "\nEnvironment variable: `"
	hiddenLine = "\nNot in the help text."
)

// shownDefault is the default of a setting at one end, or a dash where that end
// does not have it.
func shownDefault(r Role, s setting) string {
	if !r.sees(s) {
		return "-"
	}
	switch v := s.value.(type) {
	case *int:
		return fmt.Sprintf("`%d`", *v)
	case *bool:
		return fmt.Sprintf("`%t`", *v)
	case *string:
		if *v != "" {
			return "`" + *v + "`"
		}
	}
	return "none"
}

// others are the flags that are no settings; their sections are written by hand.
var others = []string{"### `-c`", "### `--help`, `-h`", "### `--version`, `-v`"}

// compareSections says what is wrong with the page.
func compareSections(page string) (problems []string) {
	var expected []string
	for _, head := range flagHeads() {
		expected = append(expected, firstLine(head))
		if !strings.Contains(page, "\n"+head) {
			problems = append(problems, fmt.Sprintf("no section that begins so:\n%s", head))
		}
	}
	expected = append(expected, others...)
	lines := headLines(page)
	for _, line := range lines {
		if !slices.Contains(expected, line) {
			problems = append(problems, fmt.Sprintf("%q is the flag of no program", line))
		}
	}
	for _, line := range others {
		if !slices.Contains(lines, line) {
			problems = append(problems, fmt.Sprintf("no section %q", line))
		}
	}
	return problems
}

// headLines are the lines that begin a section about a flag.
func headLines(page string) (lines []string) {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "### ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func firstLine(text string) string { return text[:strings.IndexByte(text, '\n')] }

// updateSections puts the generated beginnings in place; a setting without a
// section gets one at the end of the page.
func updateSections(page string) string {
	for _, head := range flagHeads() {
		name := regexp.QuoteMeta(strings.SplitN(firstLine(head), ",", 2)[0])
		section := regexp.MustCompile(`(?m)^` + name + `(?:,.*)?\n\n> .*\n\n(?:\|.*\n)+(?:\nEnvironment variable: .*\n)?(?:\nNot in the help text\.\n)?`)
		at := section.FindStringIndex(page)
		if at == nil {
			page += "\n" + head
			continue
		}
		page = page[:at[0]] + head + page[at[1]:]
	}
	return page
}
