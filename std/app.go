package std

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kcptun/std/link"
)

// App is one of the two programs.
type App struct {
	Role    Role
	Version string
	// Load overrides settings by the JSON file at path.
	Load func(c *Config, path string) error
	// Exit ends the program at once, at a second signal; os.Exit.
	Exit func(code int)
	// Run does the program's job until ctx ends.
	Run func(ctx context.Context, c *Config, env Env) error
}

// Env is what a program shares among its parts.
type Env struct {
	Log   *slog.Logger
	Stats *link.Stats
}

// Main runs the program and returns its exit code: 0 after a good end, 1 where
// the settings are wrong or the job could not be done.
func (a App) Main(args []string, stdout, stderr io.Writer) int {
	cfg := DefaultConfig(a.Role)
	err := a.configure(&cfg, args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		a.usage(stdout)
		return 0
	case errors.Is(err, errVersion):
		fmt.Fprintln(stdout, "kcptun version", a.Version)
		return 0
	case err == nil:
		err = a.start(&cfg, stderr)
	}
	if err == nil {
		return 0
	}
	if errors.Is(err, errLogged) {
		return 1
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "kcptun %v: %s\n", a.Role, strings.TrimRight(line, "\n"))
	}
	return 1
}

// start opens the log, and runs the program until it ends or is told to.
func (a App) start(cfg *Config, stderr io.Writer) error {
	out := stderr
	if cfg.Log != "" {
		f, err := os.OpenFile(cfg.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("--log (JSON \"log\"): %w", err)
		}
		defer f.Close()
		out = f
	}
	env := Env{Log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: plainError})), Stats: new(link.Stats)}
	cfg.banner(a.Role, a.Version, env.Log)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := a.onSignals(cancel, env.Log)
	defer stop()
	aside := startAside(ctx, cfg, env)
	err := a.Run(ctx, cfg, env)
	cancel()
	aside.Wait()
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

// plainError logs an error as its text. kcp-go's print a stack trace else.
func plainError(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		return slog.String(a.Key, err.Error())
	}
	return a
}

// errLogged ends the program with code 1 when standard error has the reason.
var errLogged = errors.New("logged")

// onSignals calls cancel at the first SIGINT or SIGTERM and ends the program at
// the second.
func (a App) onSignals(cancel func(), log *slog.Logger) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			log.Info("ending: no new streams, open ones have a few seconds; a second signal ends at once", "signal", s)
			cancel()
		case <-done:
			return
		}
		select {
		case s := <-signals:
			log.Warn("ended at once", "signal", s)
			a.Exit(1)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// ReadyTCP checks that --tcp can work here, before anything opens, and logs the
// rules of killed runs that it removed.
func (e Env) ReadyTCP() error {
	cleared, err := link.CheckTCP()
	for _, rule := range cleared {
		e.Log.Warn("removed a rule that a killed run had left", "rule", rule)
	}
	return err
}
