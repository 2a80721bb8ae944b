package app

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// Scripts of ours, as the program kcptun-client prints them. That of package cli for bash
// needs the package bash-completion, does not complete the value in --mode=fa, and executes
// what is typed in $(). That for zsh completes no names of files behind --log=, and that for
// PowerShell completes a word by one that begins otherwise.
//
//go:embed completion.bash
var bashScript string

//go:embed completion.zsh
var zshScript string

//go:embed completion.ps1
var powershellScript string

// configureCompletion makes package cli's command visible in the help text.
func (v *invocation) configureCompletion(cmd *cli.Command) {
	cmd.Hidden = false
	cmd.Usage = "print what makes a shell complete this program's flags: bash, zsh, fish, powershell"
	cmd.Description = strings.ReplaceAll(completionHelp, "kcptun-client", v.name)
	cmd.CommandNotFound = v.noTopic
	for _, shell := range cmd.Commands {
		switch shell.Name {
		case "bash":
			shell.Action = v.printScript(bashScript)
		case "zsh":
			shell.Action = v.printScript(zshScript)
		case "pwsh":
			shell.Aliases = []string{"powershell"}
			shell.Action = v.printScript(powershellScript)
		case "fish":
			script := shell.Action
			shell.Action = func(ctx context.Context, cmd *cli.Command) error {
				if err := script(ctx, cmd); err != nil {
					return err
				}
				v.completeFiles(cmd.Root())
				return nil
			}
		}
	}
}

// completionHelp says how each shell loads its script, as the scripts themselves do. The text
// of package cli has a line for bash that does nothing in version 3.2, which macOS has.
const completionHelp = `Prints a script, which a shell loads by this line in the file that it reads at its start:

bash:        eval "$(kcptun-client completion bash)"
zsh:         source <(kcptun-client completion zsh)
fish:        kcptun-client completion fish | source
PowerShell:  kcptun-client completion powershell | Out-String | Invoke-Expression`

func (v *invocation) printScript(script string) cli.ActionFunc {
	return func(context.Context, *cli.Command) error {
		v.stdout.WriteString(strings.ReplaceAll(script, "kcptun-client", v.name))
		return nil
	}
}

// completeFiles prints the lines by which fish completes names of files after some flags.
// The script of package cli tells fish that no flag has one; those for other shells do not.
func (v *invocation) completeFiles(root *cli.Command) {
	for _, name := range []string{"c", "log", "snmplog"} {
		form := "-s c"
		if len(name) > 1 {
			form = "-l " + name + " -o " + name
		}
		fmt.Fprintf(&v.stdout, "complete -c %s %s -r -F -d %q\n", v.name, form, findOption(root, name).usage)
	}
}

// complete prints the words that may come next on the command line, one a line, each with
// its meaning after a colon. The shell's script picks from them. If there are none, the
// shell completes names of files.
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
	flag, _, assigned := strings.Cut(last, "=")
	if o := findOption(cmd, strings.TrimLeft(flag, "-")); o != nil && !o.isSwitch { // a value comes next
		if assigned {
			flag += "=" // the shell wants the whole word
		} else {
			flag = ""
		}
		for _, choice := range o.choices {
			fmt.Fprintln(&v.stdout, flag+choice)
		}
		return
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
