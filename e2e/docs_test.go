package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented returns the commands of the two programs in a page, from code blocks and code
// spans: the program's name and the words after it.
var documented = regexp.MustCompile("kcptun-(client|server)((?: +(?:[^\\s`)|'#\\\\]+|\\\\\\n))*)")

// Placeholders in the pages, and what the tests use instead.
var placeholders = strings.NewReplacer("VPS:", "127.0.0.1:", "HOST:", "127.0.0.1:", "\\\n", " ")

// TestDocumentedCommands checks that the programs accept every start that a page shows. The
// command check reports that without opening anything.
func TestDocumentedCommands(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	must(t, err)
	file := map[string]string{}
	for end, example := range map[string]string{"client": "local", "server": "server"} {
		file[end] = usable(t, "../dist/"+example+".json.example")
	}
	starts := 0
	for _, page := range append(pages, "../README.md", "../README.zh.md") {
		text, err := os.ReadFile(page)
		must(t, err)
		for _, m := range documented.FindAllStringSubmatch(string(text), -1) {
			end, words := m[1], strings.Fields(placeholders.Replace(m[2]))
			if len(words) == 0 || !strings.HasPrefix(words[0], "-") && words[0] != "check" {
				continue // the program's name in a sentence, or a different command
			}
			for i, word := range words {
				if word == "FILE" || word == "文件" {
					words[i] = file[end]
				}
			}
			if words[0] != "check" {
				words = append([]string{"check"}, words...)
				starts++
			} else if len(words) == 1 {
				continue // has none of the flags of a start
			}
			program := map[string]string{"client": programs.Client, "server": programs.Server}[end]
			cmd := exec.CommandContext(patient(t), program, words...)
			cmd.Env = append(os.Environ(), "KCPTUN_KEY=a key of the test")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %q: %v\n%s", page, m[0], err, out)
			}
		}
	}
	if starts < 5 {
		t.Errorf("only %d starts found: does the pattern still fit?", starts)
	}
}

// usable is an example file as a new user edits it, with a key of his own.
func usable(t *testing.T, example string) string {
	t.Helper()
	text, err := os.ReadFile(example)
	must(t, err)
	own := regexp.MustCompile(`"key": "[^"]*"`).ReplaceAll(text, []byte(`"key": "a key of the test"`))
	path := filepath.Join(t.TempDir(), "settings.json")
	must(t, os.WriteFile(path, own, 0o600))
	return path
}
