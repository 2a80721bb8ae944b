package clock_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wall are the ways to lose the monotonic reading of a time.
var wall = regexp.MustCompile(`\.UnixNano\(|\btime\.Unix(Milli|Micro)?\(|\.Round\(0\)`)

// Durations measured by the wall clock ended streams and sessions, or kept them, when the
// clock was set. So no source file measures by it.
func TestNobodyMeasuresByTheWallClock(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if wall.MatchString(line) && !strings.Contains(line, "Deadline(time.Unix(") { // one long past
				t.Errorf("%s:%d: use the package clock: %s", path, i+1, strings.TrimSpace(line))
			}
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files, %v", files, err)
	}
}
