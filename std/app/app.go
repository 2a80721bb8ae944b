// Package app owns the life of a program from main to its exit code: the commands, the log,
// the signals, and what runs in the background. The actual job is given to it by main.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"kcptun/std/carrier/rawtcp"
	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/rescue"
)

// App is one of the two programs.
type App struct {
	Role    config.Role
	Version string
	// Exit ends the program at once, at a second signal; it is os.Exit except in tests.
	Exit func(code int)
	// Run does the program's job until ctx ends.
	Run func(ctx context.Context, c *config.Config, env Env) error
}

// Env is what all parts of a program share.
type Env struct {
	Log   *slog.Logger
	Stats *link.Stats

	Panics *rescue.Net // catches panics of a stream or session

	sink *logSink // the sink of Log; nil in tests
}

// Main runs the program and returns its exit code: 0 after success; 1 if the settings are
// wrong, the job failed, or the requested output could not be written to standard output.
func (a App) Main(args []string, stdout, stderr io.Writer) int {
	defer catchSIGPIPE()()
	out := newLogSink(stderr)
	defer out.Close(logFlush)
	v := newInvocation(a, args)
	err := v.read()
	if v.stdout.Len() > 0 && (err == nil || errors.Is(err, errLogged)) {
		if unseen := show(stdout, v.stdout.String()); unseen != nil {
			err = unseen
		}
	}
	if err == nil && v.start {
		cfg := v.cfg // a copy, so that the commands can be collected as garbage
		err = a.start(&cfg, out)
	}
	if err == nil {
		return 0
	}
	if !errors.Is(err, errLogged) {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(out, "kcptun %v: %s\n", a.Role, strings.TrimRight(line, "\n"))
		}
	}
	return 1
}

func show(stdout io.Writer, text string) error {
	if _, err := io.WriteString(stdout, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// start opens the log and runs the program until it ends or is told to end.
func (a App) start(cfg *config.Config, stderr *logSink) error {
	sink := stderr
	if cfg.Log != "" {
		file, err := openLogSink(cfg.Log)
		if err != nil {
			return fmt.Errorf("--log (JSON \"log\"): %w", err)
		}
		defer file.Close(logFlush)
		sink = file
	}
	env := Env{Log: newLogger(sink), Stats: new(link.Stats), sink: sink}
	env.Panics = &rescue.Net{Log: env.Log}
	banner(cfg, a.Role, a.Version, env.Log)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := a.onSignals(cfg, env, cancel)
	defer stop()
	background := startBackground(ctx, cfg, env)
	err := a.Run(ctx, cfg, env)
	cancel()
	waitBackground(background, cfg, env.Log)
	if err != nil && !errors.Is(err, context.Canceled) {
		env.Log.Error("ended", "err", err)
		if cfg.Log == "" {
			return errLogged
		}
		return err
	}
	env.Log.Info("ended")
	return nil
}

// errLogged ends the program with code 1 after the reason was printed to standard error.
var errLogged = errors.New("logged")

// ReadyTCP checks that --tcp can work here, before anything is opened. It logs which
// firewall rules it has removed that killed runs had left behind.
func (e Env) ReadyTCP(ctx context.Context) error {
	cleared, err := rawtcp.Check(ctx)
	for _, rule := range cleared {
		e.Log.Warn("removed a rule that a killed run had left", "rule", rule)
	}
	return err
}
