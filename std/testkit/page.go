package testkit

import (
	"os"
	"strings"
	"testing"
)

// ReadPage reads a text file of the tree, with the line endings that it has in the
// repository.
func ReadPage(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n") // git may check it out with these
}
