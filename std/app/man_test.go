package app

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"kcptun/std/config"
	"kcptun/std/testkit"

	docs "github.com/urfave/cli-docs/v3"
	"github.com/urfave/cli/v3"
)

// TestManPages: the man pages are what package cli's documentation module generates from
// the commands. With -update it rewrites them.
func TestManPages(t *testing.T) {
	for _, role := range []config.Role{config.Client, config.Server} {
		path := "../../dist/man/kcptun-" + role.String() + ".8"
		page := manPage(t, role)
		if *updateDocs {
			if err := os.MkdirAll("../../dist/man", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if testkit.ReadPage(t, path) != page {
			t.Errorf("%s is not what the commands are now: go test ./std/app -run TestManPages -update rewrites it", path)
		}
		for _, s := range role.Settings(new(config.Config)) {
			shown := len(regexp.MustCompile(`\n\\fB--`+s.Name+`[,\\]`).FindAllString(page, -1))
			if expected := map[bool]int{false: 1, true: 0}[s.Hidden]; shown != expected {
				t.Errorf("%s: --%s is explained %d times, not %d", path, s.Name, shown, expected)
			}
		}
	}
}

// manPage returns the page of a program under the name used by packages. A command's
// options that the program itself has, too, are explained only once.
func manPage(t *testing.T, role config.Role) string {
	t.Helper()
	tree := newInvocation(App{Role: role}, []string{"kcptun-" + role.String()}).tree()
	tree.Description = "Carries TCP streams over KCP over UDP, together with the program at the other end. " +
		"A file that -c names overrides the flags; the flags override the environment. " +
		"The command check takes the same options and prints what is in force and where it comes from. " +
		"The command completion prints a script for bash, zsh, fish or powershell. Each command has --help."
	for _, cmd := range tree.Commands {
		cmd.Flags = slices.DeleteFunc(slices.Clone(cmd.Flags), func(f cli.Flag) bool { return slices.Contains(tree.Flags, f) })
	}
	page, err := docs.ToManWithSection(tree, 8)
	if err != nil {
		t.Fatal(err)
	}
	return page
}
