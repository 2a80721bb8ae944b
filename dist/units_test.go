package dist_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd ignores a setting that it does not know, such as a misspelt one, and only says so
// in its journal.
func TestUnitsAreUnderstood(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here:", err)
	}
	version, err := exec.Command(analyze, "--version").Output()
	if words := strings.Fields(string(version)); err != nil || len(words) < 2 || len(words[1]) != 3 || words[1] < "247" {
		t.Skipf("systemd-analyze is older than the units, or does not say: %q, %v", version, err)
	}
	program, err := os.Executable() // any that exists
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"client", "server"} {
		name := "kcptun-" + end + ".service"
		text, err := os.ReadFile(filepath.Join("linux", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		unit := strings.ReplaceAll(string(text), "=/usr/local/bin/kcptun-"+end+" ", "="+program+" ")
		if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, "verify", path).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, name) { // the others are about this machine's own units
				t.Error(strings.TrimSpace(line))
			}
		}
		if err != nil && !t.Failed() {
			t.Skipf("systemd-analyze does not work here: %v\n%s", err, out)
		}
	}
}
