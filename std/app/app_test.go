package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/testkit"
)

// runApp runs a program with this job, and returns its exit code and output.
func runApp(t *testing.T, role config.Role, run func(context.Context, *config.Config, Env) error, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	testkit.NoLeak(t)
	var out, errs testkit.Logbook
	app := App{
		Role: role, Version: "1.2.3",
		Exit: func(int) { t.Error("Exit was called") },
		Run:  run,
	}
	code = app.Main(append([]string{"prog"}, withServer(role, args)...), &out, &errs)
	return code, out.String(), errs.String()
}

// never is a job that must not be run.
func never(t *testing.T) func(context.Context, *config.Config, Env) error {
	return func(context.Context, *config.Config, Env) error { t.Error("the job was run"); return nil }
}

func nothing(context.Context, *config.Config, Env) error { return nil }

func TestMainRunsTheJob(t *testing.T) {
	unsetKey(t)
	code, stdout, stderr := runApp(t, config.Server, func(_ context.Context, c *config.Config, env Env) error {
		if c.MTU != 1300 || env.Stats == nil {
			t.Error(c, env)
		}
		env.Log.Info("the job")
		return nil
	}, "--mtu", "1300")
	if code != 0 || stdout != "" {
		t.Error(code, stdout)
	}
	testkit.Contains(t, stderr, `msg="kcptun server" version=1.2.3`, "fingerprint=", "mtu=1300", `msg="the job"`, "msg=ended", "default key is in use")
}

func TestMainExitCodes(t *testing.T) {
	unsetKey(t)
	fail := func(context.Context, *config.Config, Env) error { return errors.New("no port left") }
	cancelled := func(context.Context, *config.Config, Env) error { return context.Canceled }
	for _, tt := range []struct {
		name string
		run  func(context.Context, *config.Config, Env) error
		args []string
		code int
		want string // on stderr
	}{
		{"good", nothing, nil, 0, "ended"},
		{"ended by a signal", cancelled, nil, 0, "ended"},
		{"the job fails", fail, nil, 1, `level=ERROR msg=ended err="no port left"`},
		{"unknown flag", nothing, []string{"--bogus"}, 1, "kcptun client: --bogus is not a flag"},
		{"stray word", nothing, []string{"x"}, 1, `kcptun client: "x" is neither`},
		{"word for a number", nothing, []string{"--mtu", "big"}, 1, "kcptun client: --mtu"},
		{"malformed server address", nothing, []string{"-r", "vps"}, 1, "kcptun client: --remoteaddr"},
		{"range", nothing, []string{"--conn", "65536"}, 1, "valid values are 1 to 65535"},
		{"no JSON file", nothing, []string{"-c", "nosuch"}, 1, "kcptun client: -c: open nosuch"},
		{"no log file", nothing, []string{"--log", "/no/such/dir/log"}, 1, `kcptun client: --log (JSON "log"): open`},
		{"set but empty key", nothing, []string{"--key="}, 1, "kcptun client: --key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := runApp(t, config.Client, tt.run, tt.args...)
			if code != tt.code || stdout != "" {
				t.Errorf("exit code %d, want %d; stdout %q", code, tt.code, stdout)
			}
			testkit.Contains(t, stderr, tt.want)
			if strings.Contains(stderr, "msg=ended") {
				testkit.Lacks(t, stderr, "kcptun client:") // the log has reported it
			}
			for line := range strings.Lines(stderr) {
				if !strings.HasPrefix(line, "kcptun client: ") && !strings.HasPrefix(line, "time=") {
					t.Errorf("a line of its own: %q", line)
				}
			}
		})
	}
}

func TestMainHelpAndVersion(t *testing.T) {
	t.Setenv(config.KeyEnv, "s3cret")
	for _, arg := range []string{"--help", "-h", "-help", "help"} {
		code, stdout, stderr := runApp(t, config.Client, never(t), arg)
		if code != 0 || stderr != "" {
			t.Error(arg, code, stderr)
		}
		for _, r := range flagRows() {
			if _, has := r.defaults[config.Client]; has && !slices.Contains(hiddenFlags, r.name) {
				testkit.Contains(t, stdout, "--"+r.name)
			}
		}
		testkit.Contains(t, stdout, "--localaddr value, -l value", "--datashard value, --ds value", "-c value", "$KCPTUN_KEY", "1.2.3", "aes-128-gcm", config.DefaultKey)
		testkit.Lacks(t, stdout, "s3cret", "--target", "--interval value")
	}
	for _, arg := range []string{"--version", "-v", "-version"} {
		code, stdout, stderr := runApp(t, config.Server, never(t), "--key", "s3cret", arg)
		if code != 0 || stdout != "kcptun version 1.2.3\n" || stderr != "" {
			t.Error(arg, code, stdout, stderr)
		}
	}
}

func TestMainLogFile(t *testing.T) {
	unsetKey(t)
	path := filepath.Join(t.TempDir(), "kcptun.log")
	fail := func(context.Context, *config.Config, Env) error { return errors.New("no port left") }
	code, _, stderr := runApp(t, config.Client, fail, "--log", path)
	if code != 1 || stderr != "kcptun client: no port left\n" {
		t.Error(code, stderr) // it must be shown to a user at the terminal, too
	}
	runApp(t, config.Client, nothing, "--log", path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "msg=settings"); n != 2 {
		t.Errorf("appended %d times:\n%s", n, text)
	}
}

// The first signal ends the job gracefully, the second ends the program.
func TestMainSignals(t *testing.T) {
	unsetKey(t)
	testkit.NoLeak(t)
	exits := make(chan int, 1)
	var errs testkit.Logbook
	app := App{Role: config.Client, Exit: func(code int) { exits <- code }, Run: func(ctx context.Context, _ *config.Config, _ Env) error {
		signalMyself(t, syscall.SIGTERM)
		<-ctx.Done()
		signalMyself(t, os.Interrupt)
		if code := testkit.Within(t, "a second signal ends at once", exits); code != 1 {
			t.Error(code)
		}
		return ctx.Err()
	}}
	if code := app.Main([]string{"prog", "-r", "127.0.0.1:9"}, &errs, &errs); code != 0 {
		t.Error(code)
	}
	testkit.Contains(t, errs.String(), "a second signal ends at once", "signal=terminated", "ended at once")
}

// Regression: timeout(1) sends SIGTERM twice, and the second ended the program at once.
func TestSignalsThatEnd(t *testing.T) {
	const ms = time.Millisecond
	type event struct {
		signal os.Signal
		at     time.Duration
	}
	for name, tt := range map[string]struct {
		events []event
		ended  bool // at once
	}{
		"one":                       {[]event{{syscall.SIGTERM, 0}}, false},
		"twice, by timeout(1)":      {[]event{{syscall.SIGTERM, 0}, {syscall.SIGTERM, ms}}, false},
		"twice, by timeout -s INT":  {[]event{{os.Interrupt, 9000 * ms}, {os.Interrupt, 9001 * ms}}, false},
		"twice, by a person":        {[]event{{os.Interrupt, 9000 * ms}, {os.Interrupt, 9300 * ms}}, true},
		"three times":               {[]event{{os.Interrupt, 0}, {os.Interrupt, ms}, {os.Interrupt, 300 * ms}}, true},
		"another signal":            {[]event{{syscall.SIGTERM, 0}, {os.Interrupt, ms}}, true},
		"a terminal that closes":    {[]event{{syscall.SIGHUP, 0}, {syscall.SIGHUP, 300 * ms}}, false},
		"systemd":                   {[]event{{syscall.SIGTERM, 0}, {syscall.SIGHUP, ms}}, false},
		"a closed terminal, a stop": {[]event{{syscall.SIGHUP, 0}, {syscall.SIGTERM, ms}}, true},
	} {
		jobs, programs := 0, 0
		h := signalHandler{log: slog.New(slog.DiscardHandler), cancel: func() { jobs++ }, exit: func() { programs++ }}
		for _, e := range tt.events {
			h.handle(e.signal, e.at)
		}
		if jobs != 1 || (programs > 0) != tt.ended {
			t.Errorf("%s: the job was ended %d times, the program %d times", name, jobs, programs)
		}
	}
}

func signalMyself(t *testing.T, s os.Signal) {
	t.Helper()
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Signal(s)
	}
	if err != nil {
		t.Skip("this system sends no signals:", err)
	}
}

// Nothing that a program writes reveals the key, whatever its source.
func TestKeyIsNeverShown(t *testing.T) {
	const key = "s3cret-s3cret"
	file := jsonFile(t, `{"key":"`+key+`","kee":1,"mtu":1300}`)
	for _, role := range []config.Role{config.Client, config.Server} {
		for _, args := range [][]string{{"--key", key}, {"--key=" + key, "--help"}, {"--key=" + key, "--QPP"}, {"-c", file}, {"--key=" + key, "--mtu=1"}, {"--key=" + key, "--bogus"}} {
			code, stdout, stderr := runApp(t, role, nothing, args...)
			if len(stdout+stderr) == 0 {
				t.Error(code, args)
			}
			testkit.Lacks(t, stdout+stderr, key)
		}
		t.Setenv(config.KeyEnv, key)
		_, stdout, stderr := runApp(t, role, nothing)
		testkit.Contains(t, stderr, "msg=settings")
		testkit.Lacks(t, stdout+stderr, key, "key=")
		unsetKey(t)
	}
}
