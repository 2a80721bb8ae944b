package testkit

import (
	"os"
	"strings"
	"testing"
)

// ReadPage reads a text of the tree, with the ends of lines that it has there.
func ReadPage(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n") // as git may check it out
}
