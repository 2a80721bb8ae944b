package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// configureCompletion makes package cli's command visible in the help text.
func (v *invocation) configureCompletion(cmd *cli.Command) {
	cmd.Hidden = false
	cmd.Usage = "print what makes a shell complete this program's flags: bash, zsh, fish, powershell"
	cmd.CommandNotFound = v.noTopic
	for _, shell := range cmd.Commands {
		if shell.Name == "pwsh" {
			shell.Aliases = []string{"powershell"}
		}
	}
}

// complete prints the words that may come next on the command line, one a line, each with
// its meaning after a colon. The shell's script picks from them.
func (v *invocation) complete(_ context.Context, cmd *cli.Command) {
	last := ""
	if len(v.words) > 1 {
		last = v.words[len(v.words)-2] // the word before completionFlag
	}
	if !strings.HasPrefix(last, "-") {
		for _, sub := range cmd.VisibleCommands() {
			fmt.Fprintf(&v.stdout, "%s:%s\n", sub.Name, sub.Usage)
		}
		return
	}
	for _, f := range cmd.VisibleFlags() {
		o, ours := f.(*option)
		switch {
		case !ours:
		case slices.Contains(o.names, strings.TrimLeft(last, "-")) && len(o.choices) > 0:
			fmt.Fprintln(&v.stdout, strings.Join(o.choices, "\n"))
			return
		}
	}
	for _, f := range cmd.VisibleFlags() {
		name := dashed(f.Names()[0])
		if len(last) > 1 && last[1] != '-' {
			name = "-" + f.Names()[0] // a single dash works, too
		}
		if o, ours := f.(*option); ours && strings.HasPrefix(name, last) && name != last {
			fmt.Fprintf(&v.stdout, "%s:%s\n", name, o.usage)
		}
	}
}
