package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kcptun/std/build"
	"kcptun/std/config"
	"kcptun/std/testkit"
)

// flagTable is what users' scripts rely on, and what we have added: names, short names,
// JSON keys and defaults, "-" for an end without such a flag.
const flagTable = `
localaddr l localaddr :12948 -
socketmode . socketmode . -
remoteaddr r remoteaddr vps:29900 -
listen l listen - :29900
target t target - 127.0.0.1:12948
key . key it's_a_secrect it's_a_secrect
crypt . crypt aes aes
mode . mode fast fast
QPP . qpp false false
QPPCount . qpp-count 61 61
conn . conn 1 -
autoexpire . autoexpire 0 -
scavengettl . scavengettl 600 -
mtu . mtu 1350 1350
ratelimit . ratelimit 0 0
sndwnd . sndwnd 128 1024
rcvwnd . rcvwnd 512 1024
datashard ds datashard 10 10
parityshard ps parityshard 3 3
dscp . dscp 0 0
nocomp . nocomp false false
acknodelay . acknodelay false false
nodelay . nodelay 0 0
interval . interval 50 50
resend . resend 0 0
nc . nc 0 0
sockbuf . sockbuf 4194304 4194304
memlimit . memlimit 0 0
smuxver . smuxver 2 2
smuxbuf . smuxbuf 4194304 4194304
framesize . framesize 8192 8192
streambuf . streambuf 2097152 2097152
keepalive . keepalive 10 10
closewait . closewait 0 30
snmplog . snmplog . .
snmpperiod . snmpperiod 60 60
log . log . .
quiet . quiet false false
tcp . tcp false false
pprof . pprof false false
`

var hiddenFlags = []string{"acknodelay", "nodelay", "interval", "resend", "nc"}

type flagRow struct {
	name, short, key string
	defaults         map[config.Role]string // absent for an end without such a flag
}

func flagRows() (rows []flagRow) {
	text := func(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "."), "_", " ") }
	for line := range strings.Lines(strings.TrimSpace(flagTable)) {
		w := strings.Fields(line)
		r := flagRow{name: w[0], short: text(w[1]), key: w[2], defaults: map[config.Role]string{}}
		for i, role := range []config.Role{config.Client, config.Server} {
			if w[3+i] != "-" {
				r.defaults[role] = w[3+i]
				if w[3+i] == "." || strings.Contains(w[3+i], "_") {
					r.defaults[role] = text(w[3+i])
				}
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// withServer puts a server address before a client's arguments, which would be refused
// without one.
func withServer(role config.Role, args []string) []string {
	if role == config.Client {
		return append([]string{"--remoteaddr", "127.0.0.1:9"}, args...)
	}
	return args
}

// parse reads a command line without starting anything.
func parse(role config.Role, args ...string) (config.Config, error) {
	return parseAlone(role, withServer(role, args)...)
}

// parseAlone does the same without adding a server address.
func parseAlone(role config.Role, args ...string) (config.Config, error) {
	app := App{Role: role}
	v := newInvocation(app, append([]string{"prog"}, args...))
	err := v.read()
	return v.cfg, err
}

// valueOf returns the value of a setting as text.
func valueOf(s config.Setting) string { return fmt.Sprint(s.Value()) }

// unsetKey hides the environment's key from the test.
func unsetKey(t *testing.T) {
	t.Setenv(config.KeyEnv, "") // restores it at the end
	os.Unsetenv(config.KeyEnv)
}

func jsonFile(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagDefaults(t *testing.T) {
	unsetKey(t)
	rows := flagRows()
	for _, role := range []config.Role{config.Client, config.Server} {
		cfg, err := parse(role, "--mode=manual") // the other modes set four of the settings
		if err != nil {
			t.Fatal(err)
		}
		cfg.Mode, cfg.RemoteAddr = config.Default(role).Mode, config.Default(role).RemoteAddr
		known := map[string]config.Setting{}
		for _, s := range role.Settings(&cfg) {
			known[s.Name] = s
		}
		for _, r := range rows {
			want, has := r.defaults[role]
			s, is := known[r.name]
			if has != is {
				t.Errorf("%v: --%s is %t, want %t", role, r.name, is, has)
				continue
			}
			if !has {
				continue
			}
			delete(known, r.name)
			if got := valueOf(s); got != want || s.Short != r.short || s.Key != r.key {
				t.Errorf("%v --%s: default %q, short %q, key %q; want %q, %q, %q", role, r.name, got, s.Short, s.Key, want, r.short, r.key)
			}
			if s.Hidden != slices.Contains(hiddenFlags, r.name) {
				t.Errorf("--%s: hidden is %t", r.name, s.Hidden)
			}
		}
		for name := range known {
			t.Errorf("%v: --%s is not in the table", role, name)
		}
	}
}

// Every flag and short name takes a value, with one dash and two, with = and (except
// switches) without.
func TestFlagForms(t *testing.T) {
	unsetKey(t)
	for _, r := range flagRows() {
		for role, standard := range r.defaults {
			if r.name == "socketmode" {
				continue // TestCheckSocketMode: it depends on --localaddr
			}
			if r.name == "QPP" && !build.QPP || r.name == "pprof" && !build.Pprof {
				if _, err := parse(role, "--"+r.name); err == nil || !strings.Contains(err.Error(), "built without") {
					t.Errorf("--%s: %v", r.name, err)
				}
				continue
			}
			value := map[string]string{"false": "true", "": "x"}[standard]
			switch {
			case r.name == "crypt":
				value = "xor"
			case r.name == "mode":
				value = "fast2"
			case r.name == "smuxver" || r.name == "nodelay" || r.name == "nc":
				value = "1"
			case strings.Contains(standard, ":"):
				value = "127.0.0.1:11"
			case value == "":
				value = "51"
				if r.name == "mtu" {
					value = "1250"
				}
			}
			if r.name == "streambuf" || r.name == "smuxbuf" {
				value = standard
			}
			for _, name := range []string{r.name, r.short} {
				if name == "" {
					continue
				}
				forms := [][]string{{"-" + name + "=" + value}, {"--" + name + "=" + value}}
				if standard == "false" {
					forms = append(forms, []string{"-" + name}, []string{"--" + name})
				} else {
					forms = append(forms, []string{"-" + name, value}, []string{"--" + name, value})
				}
				for _, args := range forms {
					if r.name != "mode" {
						args = append([]string{"--mode=manual"}, args...)
					}
					cfg, err := parse(role, args...)
					if err != nil {
						t.Errorf("%v %q: %v", role, args, err)
						continue
					}
					for _, s := range role.Settings(&cfg) {
						if s.Name == r.name && valueOf(s) != value {
							t.Errorf("%v %q gives %q", role, args, valueOf(s))
						}
					}
				}
			}
		}
	}
	if cfg, err := parse(config.Client, "--nocomp=false", "-quiet"); err != nil || cfg.NoComp || !cfg.Quiet {
		t.Error(cfg, err)
	}
}

func TestFlagErrors(t *testing.T) {
	unsetKey(t)
	for _, tt := range []struct {
		role config.Role
		args string
		want string
	}{
		{config.Client, "--mtu x", `--mtu (JSON "mtu"): "x" is not valid, valid values are 100 to 1500`},
		{config.Client, "-ds=1.5", `--datashard (JSON "datashard"): "1.5" is not valid, valid values are 0 to 256`},
		{config.Client, "--mtu=99999999999999999999", "valid values are 100 to 1500"},
		{config.Client, "--mtu=", `"" is not valid`},
		{config.Client, `--mtu="x"`, `"\"x\"" is not valid`},
		{config.Client, "--nocomp=maybe", `--nocomp (JSON "nocomp"): "maybe" is not valid, valid values are true, false`},
		{config.Client, "--nocmp", `--nocmp is not a flag of the client; did you mean "nocomp"?`},
		{config.Client, "--qpp", `--qpp is not a flag of the client; did you mean "QPP"?`},
		{config.Client, "--target :1", "--target is not a flag of the client, but of the server"},
		{config.Server, "--conn 2", "--conn is not a flag of the server, but of the client"},
		{config.Server, "--xyzzyxyzzy=s3cret", "--xyzzyxyzzy is not a flag of the server"},
		{config.Client, "--mtu", "--mtu needs a value after it, valid values are 100 to 1500"},
		{config.Client, "-l -mtu 1200", "-l needs a value after it; -mtu is a flag"},
		{config.Client, "--mtu --nocomp", "--mtu needs a value after it, valid values are 100 to 1500; --nocomp is a flag"},
		{config.Client, "---mtu 3", "---mtu is not a flag of the client"},
		{config.Client, "-nocomp true -mtu 1200", `"true" is neither a flag, nor the value of one`},
		{config.Client, "-t x", "-t is not a flag of the client, but of the server"},
		{config.Client, "--foo", "--foo is not a flag of the client"},
		{config.Client, "--key", "--key needs a value after it"},
		{config.Client, "--nocomp=", `"" is not valid, valid values are true, false`},
		{config.Client, "genkye", `"genkye" is neither a flag, nor the value of one, nor a command`},
		{config.Client, "genkye", `did you mean "genkey"?`},
		{config.Client, "--version=maybe", `--version: "maybe" is not valid, valid values are true, false`},
		{config.Client, "genkey -l :1", "-l is not a flag of the command genkey"},
		{config.Client, "—mode auto", `"—mode" begins with a typographic dash (U+2014): flags begin with -, as in --mode`},
		{config.Client, "–key=s3cret", `"–key" begins with a typographic dash (U+2013)`},
		{config.Client, "−key s3cret", `"−key" begins with a typographic dash (U+2212)`},
		{config.Client, "-- x", `"x" is neither`},
		{config.Client, "-- check", `"check" stands where no command can`},
		{config.Client, "genkey check", `"check" stands where no command can`},
		{config.Client, "completion bash zsh", `"zsh" is neither a flag`},
		{config.Client, "completion bash genkey", `"genkey" stands where no command can`},
		{config.Client, "completion -r h:1", "-r is not a flag of the command completion"},
		{config.Client, "completion zsh --mtu 1200", "--mtu is not a flag of the command completion zsh"},
		{config.Client, "-c no-such-file.json", "-c: open no-such-file.json"},
		{config.Client, "-c=", "-c: open : "},
		{config.Client, "--crypt aes-512", `--crypt (JSON "crypt"): "aes-512" is unknown, valid values are aes, aes-128, aes-128-gcm, aes-192, salsa20, blowfish, twofish, cast5, 3des, tea, xtea, xor, sm4, none, null`},
		{config.Client, "--mode turbo", `--mode (JSON "mode"): "turbo" is unknown, valid values are auto, fast3, fast2, fast, normal, manual`},
	} {
		_, err := parse(tt.role, strings.Fields(tt.args)...)
		if err == nil {
			t.Errorf("%s: no error", tt.args)
			continue
		}
		testkit.Contains(t, err.Error(), tt.want)
		testkit.Lacks(t, err.Error(), "s3cret")
	}
}

func TestAllErrorsAreReported(t *testing.T) {
	unsetKey(t)
	_, err := parse(config.Client, "--mtu=1", "--crypt=x", "--key=", "--remoteaddr=y", "--streambuf=9999999", "--smuxver=3")
	if err == nil {
		t.Fatal("no error")
	}
	testkit.Contains(t, err.Error(), "--mtu", "--crypt", "--key", "--remoteaddr", "--streambuf", "--smuxver")
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 6 {
		t.Errorf("%d lines: %v", lines, err)
	}
	var first *config.Error
	if !errors.As(err, &first) || first.Flag == "" || first.Key == "" || first.Reason == "" {
		t.Errorf("%+v", first)
	}
}

func TestJSONOverFlags(t *testing.T) {
	unsetKey(t)
	file := jsonFile(t, `{"mtu":1300,"MODE":"normal"}`)
	cfg, err := parse(config.Client, "-c", file, "--mtu", "1200", "--sndwnd", "9", "--mode", "fast3")
	if err != nil || cfg.MTU != 1300 || cfg.SndWnd != 9 || cfg.Mode != "normal" || cfg.Interval != 40 {
		t.Errorf("%+v, %v", cfg, err)
	}
}

func TestKeyFromEnvironment(t *testing.T) {
	t.Setenv(config.KeyEnv, "from the environment")
	for want, args := range map[string][]string{
		"from the environment": {},
		"from the flag":        {"--key", "from the flag"},
		"from JSON":            {"--key", "from the flag", "-c", jsonFile(t, `{"key":"from JSON"}`)},
	} {
		if cfg, err := parse(config.Server, args...); err != nil || cfg.Key != want {
			t.Errorf("%v: key %q, %v", args, cfg.Key, err)
		}
	}
	t.Setenv(config.KeyEnv, "")
	_, err := parse(config.Server)
	if err == nil {
		t.Fatal("an empty key was taken")
	}
	testkit.Contains(t, err.Error(), "KCPTUN_KEY is set but empty")
	if cfg, err := parse(config.Server, "--key", "k"); err != nil || cfg.Key != "k" {
		t.Error(cfg.Key, err)
	}
	os.Unsetenv(config.KeyEnv) // t.Setenv restores it
	if _, err = parse(config.Server, "--key="); err == nil {
		t.Fatal("an empty key was taken")
	}
	testkit.Lacks(t, err.Error(), config.KeyEnv)
}

// Bytes that are not UTF-8 are used as they are, and different keys stay different. An
// original takes the same bytes for the same key.
func TestKeyThatIsNotUTF8(t *testing.T) {
	unsetKey(t)
	for _, key := range []string{"\xc3\xdc\xc2\xeb", "\xc3\xdc\xc2\xec", "caf\xe9"} {
		for source, args := range map[string][]string{"flag": {"--key", key}, "flag=": {"--key=" + key}, "environment": nil} {
			if args == nil {
				t.Setenv(config.KeyEnv, key)
			}
			cfg, err := parse(config.Server, args...)
			if err != nil || cfg.Key != key || len(cfg.Warnings) != 1 {
				t.Errorf("%q by %s: %q, %q, %v", key, source, cfg.Key, cfg.Warnings, err)
				continue
			}
			testkit.Contains(t, cfg.Warnings[0], "the key is not UTF-8")
		}
		unsetKey(t)
	}
}
