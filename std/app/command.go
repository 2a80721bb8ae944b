package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"kcptun/std/config"

	"github.com/urfave/cli/v3"
)

// invocation is one call of a program and what its command line asks for.
type invocation struct {
	app     App
	name    string   // of the program, as typed
	words   []string // of the command line
	cfg     config.Config
	file    *string // path of the settings file; nil: -c was not given
	version bool
	asJSON  bool
	wrong   []error      // what is wrong with the command line
	stdout  bytes.Buffer // the output of a command
	start   bool         // the job is to be run with cfg
}

func newInvocation(a App, args []string) *invocation {
	v := &invocation{app: a, name: a.Role.String(), cfg: config.Tracked(a.Role)}
	if len(args) > 0 {
		v.name, v.words = strings.TrimSuffix(filepath.Base(args[0]), ".exe"), args[1:]
	}
	return v
}

// read executes the command line, but not the job itself. It opens nothing but the settings
// file.
func (v *invocation) read() error {
	root, words := v.tree(), v.words
	completing := len(words) > 0 && words[len(words)-1] == completionFlag
	if !completing {
		s := scanner{role: v.app.Role, root: root, fail: v.fail}
		s.scan(words)
		words = s.clean
	}
	if err := root.Run(context.Background(), append([]string{v.name}, words...)); err != nil {
		return err
	}
	switch {
	case completing: // the command line is not complete
		return nil
	case v.version:
		v.stdout.Reset()
		v.stdout.WriteString("kcptun version " + v.app.Version + "\n")
	case v.start:
		return nil // load has already reported what is wrong
	}
	return errors.Join(v.wrong...)
}

// tree returns the program's commands with their flags.
func (v *invocation) tree() *cli.Command {
	options := v.options()
	asJSON := v.switchTo(&v.asJSON, "print JSON, for programs", "json")
	version := v.switchTo(&v.version, "print the version", "version", "v")
	root := &cli.Command{
		Name:      v.name,
		Usage:     fmt.Sprintf("%v of a tunnel that carries TCP streams over KCP over UDP", v.app.Role),
		UsageText: v.name + " [options] [command [options]]",
		Version:   v.app.Version,
		Flags:     append(slices.Clip(options), version),
		Action:    v.run,
		Commands: []*cli.Command{
			{
				Name: "check", Usage: "print the settings that a start would use and where each comes from, and start nothing",
				Flags: append(slices.Clip(options), asJSON), Action: v.check,
			},
			{Name: "genkey", Usage: "print a new random key", Action: v.genkey},
		},
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: v.configureCompletion,
		CustomRootCommandHelpTemplate:   rootHelp,
		CommandNotFound:                 v.noTopic,
		Writer:                          &v.stdout,
		ErrWriter:                       io.Discard, // errors are returned
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {},
	}
	for _, cmd := range append(root.Commands, root) {
		cmd.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err }
		cmd.ShellComplete = v.complete
	}
	return root
}

// rootHelp is the template of a program's help text.
const rootHelp = `NAME:
   {{.Name}} - {{.Usage}}

USAGE:
   {{.UsageText}}

VERSION:
   {{.Version}}

COMMANDS:{{range .VisibleCommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}

OPTIONS:{{range .VisibleFlags}}
   {{.}}{{end}}
`

// options returns the flags of all settings, and that of the settings file.
func (v *invocation) options() (options []cli.Flag) {
	for _, s := range v.app.Role.Settings(&v.cfg) {
		options = append(options, optionOf(s, &v.cfg, v.fail))
	}
	file := &option{names: []string{"c"}, usage: "JSON file with settings, which override the flags"}
	file.set = func(path string) { v.file = &path }
	return append(options, file)
}

func (v *invocation) fail(err error) { v.wrong = append(v.wrong, err) }

// switchTo returns a switch that is not a setting.
func (v *invocation) switchTo(to *bool, usage string, names ...string) *option {
	s := config.Switch(names[0], to)
	return &option{names: names, usage: usage, isSwitch: true, set: func(text string) {
		if err := s.Set(text); err != nil {
			v.fail(err)
		}
	}}
}

// load merges the settings of all sources and checks them.
func (v *invocation) load() error {
	v.cfg.ReadEnvironment(v.app.Role)
	errs := v.wrong
	var unread error
	if v.file != nil {
		unread = v.cfg.ReadJSON(v.app.Role, *v.file)
		errs = append(errs, unread)
	}
	if errors.Join(errs...) == nil { // otherwise a missing setting may just be a misspelt one
		errs = append(errs, v.cfg.CheckGiven(v.app.Role))
	}
	warnings := v.cfg.Warnings
	errs = append(errs, v.cfg.Check(v.app.Role))
	if unread != nil {
		v.cfg.Warnings = warnings // the others are of values that the file may have replaced
	}
	return errors.Join(errs...)
}

func (v *invocation) run(context.Context, *cli.Command) error {
	if v.version {
		return nil
	}
	v.start = true
	return v.load()
}

// genkey prints a key with as many random bits as the packet key has.
func (v *invocation) genkey(context.Context, *cli.Command) error {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	_, err := fmt.Fprintln(&v.stdout, base64.StdEncoding.EncodeToString(key))
	return err
}

// noTopic is called when help or completion is requested for something that does not
// exist.
func (v *invocation) noTopic(_ context.Context, cmd *cli.Command, word string) {
	var known []string
	for _, sub := range cmd.VisibleCommands() {
		known = append(known, append([]string{sub.Name}, sub.Aliases...)...)
	}
	v.fail(fmt.Errorf("%q is unknown, valid ones are %s", word, strings.Join(known, ", ")))
}
