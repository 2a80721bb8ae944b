package config

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kcptun/std/testkit"
)

var updateReference = flag.Bool("update", false, "rewrite the generated lines of docs/flags.md")

const referencePage = "../../docs/flags.md"

// TestFlagReference: docs/flags.md has a section for every setting of both ends and for
// nothing else. It begins with what the table of settings says. With -update the test
// rewrites these beginnings and keeps the notes below them.
func TestFlagReference(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("docs/flags.md gives the ranges of 64-bit programs")
	}
	page := testkit.ReadPage(t, referencePage)
	if *updateReference {
		page = updateSections(page)
		if err := os.WriteFile(referencePage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, problem := range compareSections(page) {
		t.Error(problem)
	}
	if t.Failed() {
		t.Log("go test ./std/config -run TestFlagReference -update rewrites these lines")
	}
}

// TestFlagReferenceFails: each way in which the page can be wrong is detected.
func TestFlagReferenceFails(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("as TestFlagReference")
	}
	page := testkit.ReadPage(t, referencePage)
	for _, c := range []struct {
		old, new string
		mends    bool // -update repairs it: the section can still be recognised
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

// flagHeads are the generated beginnings of the sections, in the order of the help text.
func flagHeads() (heads []string) {
	client, server := Default(Client), Default(Server)
	atServer := settings(&server)
	for i, s := range settings(&client) {
		heads = append(heads, headOf(s, shownDefault(Client, s), shownDefault(Server, atServer[i])))
	}
	return heads
}

func headOf(s Setting, client, server string) string {
	names := "`" + s.Flag() + "`"
	switch {
	case len(s.Short) == 1:
		names += ", `-" + s.Short + "`"
	case s.Short != "":
		names += ", `--" + s.Short + "`"
	}
	valid := s.Valid()
	if valid == "" {
		valid = "text"
	}
	if n, is := s.value.(number); is && n.below != nil {
		valid += fmt.Sprintf("; less is %d", *n.below)
	}
	if n, is := s.value.(number); is && n.above != nil {
		valid += fmt.Sprintf("; more is %d", *n.above)
	}
	text := fmt.Sprintf("### %s\n\n> %s\n\n| JSON key | default at the client | default at the server | valid |\n|---|---|---|---|\n| `%s` | %s | %s | %s |\n",
		names, s.usage, s.Key, client, server, valid)
	if s.env != "" {
		text += envLine + s.env + "`.\n"
	}
	if s.Hidden {
		text += hiddenLine + "\n"
	}
	return text
}

// Lines below the table in some of the generated beginnings.
const (
	envLine    = "\nEnvironment variable: `"
	hiddenLine = "\nNot in the help text."
)

// shownDefault is the default of a setting at one end, or a dash if that end does not have
// the setting.
func shownDefault(r Role, s Setting) string {
	if !r.sees(s) {
		return "-"
	}
	if s.Value() == "" {
		return "none"
	}
	return fmt.Sprintf("`%v`", s.Value())
}

// others are the flags that are not settings; their sections are written by hand.
var others = []string{"### `-c`", "### `--help`, `-h`", "### `--version`, `-v`"}

// compareSections reports what is wrong with the page.
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

// headLines returns the lines that begin a section about a flag.
func headLines(page string) (lines []string) {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "### ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func firstLine(text string) string { return text[:strings.IndexByte(text, '\n')] }

// updateSections replaces the generated beginnings. A setting without a section gets one at
// the end of the page.
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
