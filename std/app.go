package std

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/urfave/cli"

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
	ready := false
	app := a.commandLine(&cfg, &ready)
	app.Writer, app.ErrWriter = stdout, stderr
	err := app.Run(args)
	if err == nil && ready {
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

// commandLine binds each setting's flag to its field. ready is set when the
// program is to run, not only to print its help or version.
func (a App) commandLine(cfg *Config, ready *bool) *cli.App {
	app := cli.NewApp()
	app.Name = "kcptun"
	app.HelpName = "kcptun " + a.Role.String()
	app.Usage = a.Role.String() + " of a tunnel that carries TCP streams over KCP over UDP"
	app.UsageText = a.Role.String() + " [options]"
	app.Version = a.Version
	app.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return a.usageError(err) }
	file := ""
	for _, s := range a.Role.known(cfg) {
		app.Flags = append(app.Flags, s.cliFlag())
	}
	app.Flags = append(app.Flags, cli.StringFlag{Name: "c", Usage: "JSON file with settings, which override the flags", Destination: &file})
	app.Action = func(c *cli.Context) error {
		if c.NArg() > 0 {
			return fmt.Errorf("%q is neither a flag nor the value of one: a switch like --nocomp takes no value but --nocomp=false, and all flags begin with a dash", c.Args().First())
		}
		if file != "" || c.IsSet("c") {
			if err := a.Load(cfg, file); err != nil {
				return err
			}
		}
		*ready = true
		return cfg.Check(a.Role)
	}
	return app
}

func (s setting) cliFlag() cli.Flag {
	name := s.name
	if s.short != "" {
		name += ", " + s.short
	}
	switch v := s.value.(type) {
	case *int:
		return cli.IntFlag{Name: name, Usage: s.usage, Value: *v, Destination: v, Hidden: s.hidden}
	case *bool:
		return cli.BoolFlag{Name: name, Usage: s.usage, Destination: v, Hidden: s.hidden}
	}
	v := s.value.(*string)
	usage := s.usage
	if len(s.choices) > 0 {
		usage += ": " + strings.Join(s.choices, ", ")
	}
	return cli.StringFlag{Name: name, Usage: usage, Value: *v, Destination: v, EnvVar: s.env, Hidden: s.hidden}
}

// What package flag says of a bad command line; it has no typed errors.
var (
	badValue    = regexp.MustCompile(`^invalid (?:boolean )?value "(.*)" for (?:flag )?-([^:]+):`)
	unknownFlag = regexp.MustCompile(`^flag provided but not defined: -(.+)$`)
)

// usageError adds to an error of package flag what would be valid.
func (a App) usageError(err error) error {
	var c Config
	known := a.Role.known(&c)
	if m := badValue.FindStringSubmatch(err.Error()); m != nil {
		for _, s := range known {
			if m[2] == s.name || m[2] == s.short {
				return s.fault(fmt.Sprintf("%q is no value for it, valid are %s", m[1], s.valid()))
			}
		}
	}
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil {
		names := []string{"c"}
		for _, s := range known {
			names = append(names, s.name)
		}
		return fmt.Errorf("--%s is not a flag of the %v%s", m[1], a.Role, didYouMean(m[1], names))
	}
	return err
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
	env := Env{Log: slog.New(slog.NewTextHandler(out, nil)), Stats: new(link.Stats)}
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
