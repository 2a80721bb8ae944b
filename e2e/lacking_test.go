package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// roleLacking in the environment makes the test binary run a program in which some system
// calls fail.
const roleLacking = "KCPTUN_E2E_LACKING"

// noFilters is what such a program says where the system cannot do that.
const noFilters = "no filters here"

// lacking says which calls fail, by a name in lackingCalls, and how.
type lacking struct {
	errno syscall.Errno
	calls string
}

// under returns what to start, and in which environment, for a program in which calls fail.
func (l *lacking) under(t *testing.T, path string, env []string) (string, []string) {
	if l == nil {
		return path, env
	}
	self, err := os.Executable()
	must(t, err)
	return self, append(slices.Clone(env), fmt.Sprintf("%s=%d %s %s", roleLacking, l.errno, path, l.calls))
}

// skipWithoutFilters skips the test if a program did not start because of them.
func (l *lacking) skipWithoutFilters(t *testing.T, log string) {
	if l != nil && strings.Contains(log, noFilters) {
		t.Skip(log)
	}
}
