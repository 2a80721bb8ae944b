// Package dist holds what is shipped beside the programs: example settings, units and kernel
// settings. There is no code in it, only the tests of those files.
package dist

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"kcptun/std/config"
)

// The JSON keys by the end that knows them, each with an example of its type.
var (
	bothKeys = map[string]any{
		"key": "", "crypt": "", "mode": "", "qpp": false, "qpp-count": 0.0,
		"mtu": 0.0, "ratelimit": 0.0, "sndwnd": 0.0, "rcvwnd": 0.0, "datashard": 0.0, "parityshard": 0.0,
		"dscp": 0.0, "nocomp": false, "acknodelay": false, "nodelay": 0.0, "interval": 0.0, "resend": 0.0, "nc": 0.0,
		"sockbuf": 0.0, "memlimit": 0.0, "smuxver": 0.0, "smuxbuf": 0.0, "framesize": 0.0, "streambuf": 0.0,
		"keepalive": 0.0, "closewait": 0.0, "snmplog": "", "snmpperiod": 0.0, "log": "",
		"quiet": false, "tcp": false, "pprof": false,
	}
	clientKeys = map[string]any{"localaddr": "", "socketmode": "", "remoteaddr": "", "conn": 0.0, "autoexpire": 0.0, "scavengettl": 0.0}
	serverKeys = map[string]any{"listen": "", "target": ""}

	// Settings that must be equal at both ends, because nothing on the wire tells a stock
	// peer about them.
	equalKeys = []string{"key", "crypt", "qpp", "qpp-count", "nocomp", "smuxver"}
)

// readExample parses one example file, and refuses duplicate keys and text after the
// object.
func readExample(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	// Every value is a plain one, so the tokens are the two braces and two for each
	// setting.
	tokens := 0
	for dec := json.NewDecoder(bytes.NewReader(text)); ; tokens++ {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if want := 2 + 2*len(values); tokens != want {
		t.Errorf("%s: %d tokens where %d settings have %d: a key stands there twice, or a value is not plain", name, tokens, len(values), want)
	}
	return values
}

func TestFullExamplesHaveEveryKey(t *testing.T) {
	for name, own := range map[string]map[string]any{"local.full.json.example": clientKeys, "server.full.json.example": serverKeys} {
		values := readExample(t, name)
		for _, keys := range []map[string]any{bothKeys, own} {
			for key, example := range keys {
				value, ok := values[key]
				if !ok {
					t.Errorf("%s: %q is missing", name, key)
				} else if !sameType(value, example) {
					t.Errorf("%s: %q is %v, a %T, want a %T", name, key, value, value, example)
				}
				delete(values, key)
			}
		}
		for key := range values {
			t.Errorf("%s: this end knows no %q", name, key)
		}
	}
}

func sameType(a, b any) bool {
	switch a.(type) {
	case string:
		_, ok := b.(string)
		return ok
	case float64:
		_, ok := b.(float64)
		return ok
	case bool:
		_, ok := b.(bool)
		return ok
	}
	return false
}

// The example for a first user is short, opens nothing to the network that need not be open,
// and leaves the tuning to mode auto. Otherwise it agrees with the full one, which has every
// key with its default, including the windows and the error correction that mode auto would
// choose.
func TestExamplesAreShort(t *testing.T) {
	for _, end := range []string{"local", "server"} {
		short, full := readExample(t, end+".json.example"), readExample(t, end+".full.json.example")
		if len(short) > 6 {
			t.Errorf("%s: %d keys", end, len(short))
		}
		if short["mode"] != "auto" || full["mode"] != "fast" {
			t.Errorf("%s: mode is %v, and %v in the full example", end, short["mode"], full["mode"])
		}
		for _, key := range []string{"sndwnd", "rcvwnd", "datashard", "parityshard", "smuxbuf", "streambuf"} {
			if short[key] != nil {
				t.Errorf("%s: mode auto cannot choose %q", end, key)
			}
		}
		for key, value := range short {
			if full[key] != value && key != "mode" {
				t.Errorf("%s: %q is %v, and %v in the full example", end, key, value, full[key])
			}
		}
		for _, key := range []string{"localaddr", "target"} {
			if addr, has := short[key].(string); has && !strings.HasPrefix(addr, "127.0.0.1:") {
				t.Errorf("%s: %q is %s", end, key, addr)
			}
		}
	}
}

func TestExamplesFitTogether(t *testing.T) {
	for _, kind := range []string{".json.example", ".full.json.example"} {
		client, server := readExample(t, "local"+kind), readExample(t, "server"+kind)
		for _, key := range equalKeys {
			if client[key] != server[key] {
				t.Errorf("%s: %v at the client, %v at the server: the two would not understand each other", key, client[key], server[key])
			}
		}
	}
}

// unitSettings reads the lines NAME=VALUE of a unit, in their order; comments and section
// heads are left out.
func unitSettings(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

func TestUnits(t *testing.T) {
	for end, file := range map[string]string{"client": "local.json", "server": "server.json"} {
		got := unitSettings(t, "linux/kcptun-"+end+".service")
		for name, value := range map[string]string{
			// A file of root's with mode 0600: the unit's user cannot read it, so systemd does.
			"ExecStart":       "/usr/local/bin/kcptun-" + end + " -c ${CREDENTIALS_DIRECTORY}/" + file,
			"LoadCredential":  file + ":/etc/kcptun/" + file,
			"EnvironmentFile": "-/etc/kcptun/" + end + ".env",
			"Environment":     "GOGC=20",
			"LimitNOFILE":     "65536",
			"Restart":         "on-failure",
			"DynamicUser":     "yes",
			"NoNewPrivileges": "yes",
			"ProtectSystem":   "strict",
			"WantedBy":        "multi-user.target",
		} {
			if strings.Join(got[name], " ") != value {
				t.Errorf("%s: %s is %q, want %q", end, name, got[name], value)
			}
		}
	}
}

// In these files a comment needs a line of its own: after a value it would become part of the
// value.
func TestSysctlLines(t *testing.T) {
	line := regexp.MustCompile(`^(#.*|[a-z0-9_.]+=[0-9]+|)$`)
	for _, name := range []string{"linux/sysctl_linux", "freebsd/sysctl_freebsd"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		settings := 0
		for i, l := range strings.Split(string(text), "\n") {
			if !line.MatchString(l) {
				t.Errorf("%s:%d: %q is neither name=number nor a comment", name, i+1, l)
			}
			if strings.Contains(l, "=") && !strings.HasPrefix(l, "#") {
				settings++
			}
		}
		if settings == 0 {
			t.Errorf("%s sets nothing", name)
		}
	}
}

func TestScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("shell scripts: no shell and no mode bits on Windows")
	}
	for script, shell := range map[string]string{
		"../build-release.sh": "sh",
		"../download.sh":      "sh",
		"freebsd/kcptun":      "sh",
		"../.ci/run":          "bash",
	} {
		info, err := os.Stat(script)
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", script)
		}
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("%s not found: %s is not parsed", shell, script)
			continue
		}
		if out, err := exec.Command(shell, "-n", filepath.FromSlash(script)).CombinedOutput(); err != nil {
			t.Errorf("%s -n %s: %v\n%s", shell, script, err, out)
		}
	}
}

// A check that cannot fail checks nothing: .ci/run in a small module of its own, first sound
// and then broken in three ways.
func TestCIRunFails(t *testing.T) {
	for _, tool := range []string{"bash", "go", "gofmt"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s not found: .ci/run is not tested here", tool)
		}
	}
	script, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	const (
		sound    = "package small\n\nimport \"testing\"\n\nfunc TestSmall(t *testing.T) {}\n"
		unformed = "package small\n\n\n\nimport \"testing\"\nfunc TestSmall(t *testing.T) {}\n"
		failing  = "package small\n\nimport \"testing\"\n\nfunc TestSmall(t *testing.T) { t.Fatal(\"broken\") }\n"
	)
	for name, c := range map[string]struct {
		source string
		steps  []string
		failed string // the step that must end the run; empty where none must
	}{
		"sound":        {sound, []string{"fmt", "test"}, ""},
		"form":         {unformed, []string{"fmt", "test"}, "fmt"},
		"test":         {failing, []string{"fmt", "test", "fmt"}, "test"},
		"no such step": {sound, []string{"fmt", "frmt"}, "frmt"},
		"no fuzzing":   {sound, []string{"fuzz"}, "fuzz"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"go.mod": "module small\n", "small_test.go": c.source, ".ci/run": string(script)} {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.Command("bash", append([]string{filepath.Join(dir, ".ci/run")}, c.steps...)...).Output()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			last := lines[len(lines)-1]
			if (err != nil) != (c.failed != "") {
				t.Errorf("ended with %v; its output:\n%s", err, out)
			}
			if c.failed == "" && !strings.Contains(last, "all passed") || c.failed != "" && !strings.Contains(last, "FAILED in step "+c.failed) {
				t.Errorf("the last line is %q", last)
			}
			if c.failed == "" && !strings.Contains(string(out), "ok  \tsmall") {
				t.Errorf("the lines of go test are missing:\n%s", out)
			}
		})
	}
}

// The example files contain the defaults and cause no warnings; the short ones use mode
// auto. A start with their placeholder key is refused.
func TestExamples(t *testing.T) {
	for name, role := range map[string]config.Role{
		"local.json.example": config.Client, "local.full.json.example": config.Client,
		"server.json.example": config.Server, "server.full.json.example": config.Server,
	} {
		got, want := config.Default(role), config.Default(role)
		if err := got.ReadJSON(role, name); err != nil {
			t.Fatal(err)
		}
		if len(got.Warnings) > 0 {
			t.Error(name, got.Warnings)
		}
		unchanged := got
		if err := unchanged.Check(role); err == nil || !strings.Contains(err.Error(), "placeholder") {
			t.Errorf("%s: started as it is: %v", name, err)
		}
		if !strings.Contains(name, "full") {
			want.Mode = config.ModeAuto
		}
		for _, c := range []*config.Config{&got, &want} {
			c.Key, c.RemoteAddr = "a key", "vps:29900"
			if role == config.Client {
				c.LocalAddr = "127.0.0.1:12948"
			}
			if err := c.Check(role); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\nwant %+v", name, got, want)
		}
	}
}
