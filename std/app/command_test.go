package app

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kcptun/std/config"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// Flags may stand before or after a command.
func TestCheckCommand(t *testing.T) {
	unsetKey(t)
	t.Setenv(config.KeyEnv, "s3cret-s3cret")
	file := jsonFile(t, `{"conn":4,"mtu":1300}`)
	for _, args := range [][]string{
		{"check", "--mtu=1200", "-c", file, "--quiet", "--ds", "20"},
		{"--mtu=1200", "-c", file, "--quiet", "--ds", "20", "check"},
		{"-quiet", "-ds=20", "check", "-mtu", "1200", "-c=" + file},
	} {
		code, stdout, stderr := runApp(t, config.Client, never(t), args...)
		if code != 0 || stderr != "" {
			t.Errorf("%q: code %d, %s", args, code, stderr)
		}
		var rows []string
		for line := range strings.Lines(stdout) {
			rows = append(rows, strings.Join(strings.Fields(line), " "))
		}
		for _, row := range []string{
			"mtu 1300 file", "conn 4 file", "quiet true flag", "datashard 20 flag", "key (not shown) environment", "interval 30 mode",
			`snmplog "" default`, "remoteaddr 127.0.0.1:9 flag", "warning: the file that -c names overrides --mtu",
		} {
			if !slices.Contains(rows, row) {
				t.Errorf("%q: no row %q in\n%s", args, row, stdout)
			}
		}
		testkit.Lacks(t, stdout, "s3cret")
	}
}

func TestCheckCommandJSON(t *testing.T) {
	unsetKey(t)
	code, stdout, stderr := runApp(t, config.Client, never(t), "check", "--json", "--mtu=3", "--conn=x", "--key=s3cret", "--bogus", "--mode=auto", "--snmplog=stat-2.log")
	if code != 1 || stderr != "" {
		t.Errorf("code %d, %s", code, stderr)
	}
	testkit.Lacks(t, stdout, "s3cret")
	var got report
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Program != "client" || got.Version != "1.2.3" || got.Valid || len(got.Fingerprint) != 8 || len(got.Warnings) != 1 {
		t.Errorf("%+v", got)
	}
	want := []reportedError{
		{"", "", "--bogus is not a flag of the command check"},
		{"--conn", "conn", `"x" is not valid, valid values are 1 to 65535`},
		{"--mtu", "mtu", "3 is out of range, valid values are 100 to 1500"},
	}
	if !slices.Equal(got.Errors, want) {
		t.Errorf("%+v, want %+v", got.Errors, want)
	}
	values := map[string]reportedSetting{}
	for _, s := range got.Settings {
		values[s.Flag] = s
	}
	if len(values) != len(config.Client.Settings(new(config.Config))) {
		t.Errorf("%d settings", len(values))
	}
	for _, want := range []reportedSetting{
		{"--key", "key", nil, config.FromFlag}, {"--datashard", "datashard", 0.0, config.FromMode}, {"--quiet", "quiet", false, config.FromDefault}, {"--mode", "mode", "auto", config.FromFlag},
	} {
		if values[want.Flag] != want {
			t.Errorf("%+v, want %+v", values[want.Flag], want)
		}
	}
	if _, stdout, _ = runApp(t, config.Server, never(t), "--key=k", "check", "--json"); !strings.Contains(stdout, `"valid": true`) || !strings.Contains(stdout, `"errors": []`) {
		t.Error(stdout)
	}
}

// Mistakes in the words of a command line and in its values are reported together.
func TestAllSortsOfErrorsAreReported(t *testing.T) {
	unsetKey(t)
	_, err := parse(config.Client, "--mtu=x", "-t", "y", "--bogus=s3cret", "stray", "—conn", "3", "--crypt=rot13", "--nocomp=", "--conn=0", "--ratelimit")
	if err == nil {
		t.Fatal("no error")
	}
	var flags []string
	for _, e := range leaves(err) {
		word, _, _ := strings.Cut(e.Error(), " ")
		flags = append(flags, word)
	}
	if got := strings.Join(flags, " "); got != `-t --bogus "stray" "—conn" --nocomp --ratelimit --mtu --crypt --conn` {
		t.Errorf("%s:\n%v", got, err)
	}
	testkit.Lacks(t, err.Error(), "s3cret", "remoteaddr")
	// So are those in a settings file, in whatever way it is wrong.
	for text, want := range map[string]int{`{"mtu":"x","conn":"y","dscp":99}`: 4, `{"mtu":}`: 2, `{"listen":":1"}`: 2} {
		cfg, err := parse(config.Client, "-c", jsonFile(t, text), "--crypt=rot13")
		if got := len(leaves(err)); got != want || len(cfg.Warnings) > 0 {
			t.Errorf("%s: %d errors, want %d; warnings %q\n%v", text, got, want, cfg.Warnings, err)
		}
	}
	// A misspelt --remoteaddr is not also reported as missing.
	if _, err = parseAlone(config.Client, "--remoteadr", "vps:1"); err == nil || strings.Contains(err.Error(), "missing") {
		t.Error(err)
	}
}

func TestGenkey(t *testing.T) {
	var keys []string
	for range 2 {
		code, stdout, stderr := runApp(t, config.Server, never(t), "genkey")
		key, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(stdout, "\n"))
		if code != 0 || stderr != "" || len(key) != 32 || err != nil {
			t.Errorf("code %d, %d bytes, %v, %s", code, len(key), err, stderr)
		}
		keys = append(keys, stdout)
	}
	if keys[0] == keys[1] {
		t.Error("the same key twice")
	}
}

// The shell scripts ask the program what may come next.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "pwsh", "powershell"} {
		app := App{Role: config.Client, Version: "1.2.3"}
		var stdout, stderr testkit.Logbook
		if code := app.Main([]string{"/usr/bin/kcptun-client", "completion", shell}, &stdout, &stderr); code != 0 || stderr.String() != "" {
			t.Errorf("%s: code %d, %s", shell, code, stderr.String())
		}
		testkit.Contains(t, stdout.String(), completionFlag)
		if shell == "bash" || shell == "zsh" || shell == "fish" {
			testkit.Contains(t, stdout.String(), "kcptun-client")
		}
		if shell == "fish" { // its script would complete no names of files
			testkit.Contains(t, stdout.String(), "complete -c kcptun-client -s c -r -F -d ")
		}
		path, err := exec.LookPath(shell)
		if err != nil || shell == "pwsh" || shell == "powershell" {
			continue
		}
		parse := exec.Command(path, "-n")
		parse.Stdin = strings.NewReader(stdout.String())
		if text, err := parse.CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v\n%s", shell, err, text)
		}
	}
	for line, want := range map[string][]string{
		"":                {"check", "genkey", "completion"},
		"--mtu 1200":      {"check", "genkey", "completion"},
		"--sn":            {"--sndwnd", "--snmplog", "--snmpperiod"},
		"-dat":            {"-datashard"},
		"--crypt":         crypt.Names(),
		"--mode=fa":       {"--mode=auto", "--mode=fast3", "--mode=fast2", "--mode=fast", "--mode=normal", "--mode=manual"},
		"-c":              nil, // the shell completes names of files
		"check --log":     nil,
		"--log=":          nil,
		"--quiet --mode":  config.ModeNames(),
		"check --js":      {"--json"},
		"--mtu=x --retry": nil,
		"--tar":           nil,
	} {
		code, stdout, stderr := runApp(t, config.Client, never(t), append(strings.Fields(line), completionFlag)...)
		var got []string
		for l := range strings.Lines(stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(l), ":")
			got = append(got, word)
		}
		if code != 0 || stderr != "" || !slices.Equal(got, want) {
			t.Errorf("%q: code %d, %q, want %q; %s", line, code, got, want, stderr)
		}
	}
}

// If help or a script is requested for something that does not exist, the answer lists what
// does.
func TestNoSuchTopic(t *testing.T) {
	for args, want := range map[string]string{
		"help foo":       `kcptun client: "foo" is unknown, valid ones are check, genkey, completion`,
		"completion foo": `kcptun client: "foo" is unknown, valid ones are bash, zsh, fish, pwsh, powershell`,
	} {
		code, stdout, stderr := runApp(t, config.Client, never(t), strings.Fields(args)...)
		if code != 1 || stdout != "" || stderr != want+"\n" {
			t.Errorf("%s: code %d, %s%s", args, code, stdout, stderr)
		}
	}
}

// The help text and each script name the same line.
func TestCompletionHelp(t *testing.T) {
	for shell, script := range map[string]string{"bash": bashScript, "zsh": zshScript, "powershell": powershellScript} {
		usage := regexp.MustCompile(`(?m)^.*kcptun-client completion ` + shell + `.*$`).FindString(script)
		if usage = strings.TrimLeft(usage, "# "); usage == "" {
			t.Errorf("%s: the script does not say how it is loaded", shell)
		}
		testkit.Contains(t, completionHelp, usage)
	}
}

// Each command's help is about that command.
func TestHelpOfCommands(t *testing.T) {
	for args, want := range map[string]string{"check -h": "--json", "help check": "--json", "genkey --help": "genkey", "help genkey": "genkey", "completion -h": `completion bash)"`, "completion help": "powershell", "completion zsh --help": "zsh"} {
		code, stdout, stderr := runApp(t, config.Server, never(t), strings.Fields(args)...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("%s: code %d, %s%s", args, code, stdout, stderr)
		}
	}
}

func FuzzCommandLine(f *testing.F) {
	for _, seed := range []string{"--mtu 5", "-", "--", "---x", "--=", "-=x", "check --json", "genkey x", "help help", "-1", "--mtu= --nocomp=", "completion bash x", "-h=x", " --mtu=5", "--key=\x00 check", "--log \xff", "check help", "--help=x check", "-v=maybe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		if slices.ContainsFunc(words, func(w string) bool {
			return strings.Trim(w, "-") == "c" || strings.HasPrefix(strings.TrimLeft(w, "-"), "c=")
		}) {
			return // reads a file
		}
		for _, role := range []config.Role{config.Client, config.Server} {
			v := newInvocation(App{Role: role}, append([]string{"prog"}, words...))
			err := v.read()
			if err != nil && !errors.Is(err, errLogged) && err.Error() == "" {
				t.Error("an error without a text")
			}
		}
	})
}
