package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each end's own addresses. They come first, so that a case may override them.
var addresses = map[string][]string{
	"client": {"-l", "127.0.0.1:0", "-r", "127.0.0.1:4000"},
	"server": {"-l", "127.0.0.1:4000", "-t", "127.0.0.1:4001"},
}

// badCommand is a command line that is refused. The answer has one line for each mistake,
// and each line contains the words given for it.
type badCommand struct {
	args string // ~ stands for a space
	env  string
	says [][]string
}

func oneLine(words ...string) [][]string { return [][]string{words} }

var badCommands = []badCommand{
	{args: "--crypt aes-257", says: oneLine("--crypt", `"crypt"`, `"aes-257"`, "aes-128-gcm", "salsa20", "null")},
	{args: "--mode faster", says: oneLine("--mode", `"mode"`, `"faster"`, "fast3", "fast2", "normal", "manual")},
	{args: "--mtu 10", says: oneLine("--mtu", "10 ", "100 to 1500")},
	{args: "--mtu much", says: oneLine("--mtu", `"much"`, "100 to 1500")},
	{args: "--smuxver 3", says: oneLine("--smuxver", "3 ", "1 to 2")},
	{args: "--datashard 200 --parityshard 100", says: oneLine("--datashard", "--parityshard", "256")},
	{args: "--dscp 64", says: oneLine("--dscp", "64 ", "0 to 63")},
	{args: "--framesize 65536", says: oneLine("--framesize", "1 to 65535")},
	{args: "--streambuf 5000000", says: oneLine("--streambuf", "--smuxbuf", "4194304")},
	{args: "--sockbuf 0", says: oneLine("--sockbuf", "1 to 2147483647")},
	{args: "--keepalive 0", says: oneLine("--keepalive", "1 to 86400")},
	{args: "--ratelimit 4294967296", says: oneLine("--ratelimit", "0 to 4294967295")},
	{args: "--QPP --QPPCount 0", says: oneLine("--QPPCount", "1 to 65535")},
	{args: "--QPP --QPPCount 65536", says: oneLine("--QPPCount", "1 to 65535")},
	{args: "--key=", says: oneLine("--key", "empty")},
	{args: "", env: "KCPTUN_KEY=", says: oneLine("--key", "KCPTUN_KEY", "empty")},
	{args: "--nocomp=perhaps", says: oneLine("--nocomp", `"perhaps"`, "true", "false")},
	{args: "--nocomp true --mtu 1200", says: oneLine(`"true"`, "--nocomp=false")},
	{args: "--no-such-flag", says: oneLine("--no-such-flag")},
	{args: "--crpyt aes", says: oneLine("--crpyt", `"crypt"`)},
	{args: "--mtu", says: oneLine("mtu")},
	{args: "-c FOLDER/missing.json", says: oneLine("-c", "missing.json", "no such file")},
	{args: "-c FOLDER/broken.json", says: oneLine("-c", "broken.json", "line 2, column 15")},
	{args: "-c FOLDER/typed.json", says: oneLine("-c", "typed.json", "line 1, column", `"mtu"`, "number")},
	{args: "-c FOLDER/range.json", says: oneLine("--smuxver", `"smuxver"`, "7 ", "1 to 2")},
	{args: "-c FOLDER/utf16.json", says: oneLine("-c", "utf16.json", "line 1, column 1", "UTF-16", "UTF-8")},
	{args: "-c FOLDER/gbk.json", says: oneLine("-c", "gbk.json", "line 1, column 9", "not UTF-8")},
	{args: "-c FOLDER/quotes.json", says: oneLine("-c", "quotes.json", "line 1, column 2", "typographic", "U+201C")},
	{args: "-c=", says: oneLine("-c")},
	{args: "--mtu 10 --crypt rot13 --smuxver 9", says: [][]string{
		{"--crypt", "rot13"}, {"--mtu", "100 to 1500"}, {"--smuxver", "1 to 2"}}},
}

var badClientCommands = []badCommand{
	{args: "--conn 0", says: oneLine("--conn", "1 to 65535")},
	{args: "--conn 65536", says: oneLine("--conn", "1 to 65535")},
	{args: "-r nowhere", says: oneLine("--remoteaddr", `"nowhere"`, "host:port")},
	{args: "-r host:0", says: oneLine("--remoteaddr", "1 to 65535")},
	{args: "-r host:70000", says: oneLine("--remoteaddr", "1 to 65535")},
	{args: "-r host:4000-3000", says: oneLine("--remoteaddr", "4000-3000")},
	{args: "-r ::1:4000", says: oneLine("--remoteaddr", "[address]:port")},
	{args: "-r :4000", says: oneLine("--remoteaddr", "host:port")},
	{args: "-l host:99999", says: oneLine("--localaddr", "65535")},
	{args: "-l FOLDER/no/such/socket", says: oneLine("--localaddr", "no such file")},
	{args: "-l FOLDER/" + strings.Repeat("x", 108), says: oneLine("--localaddr", "bytes", "at most")},
	{args: "--socketmode 0600", says: oneLine("--socketmode", "not the path of a unix socket")},
	{args: "-r http://host:4000", says: oneLine("--remoteaddr", "http://", "host:port")},
	{args: "-l 2222", says: oneLine("--localaddr", `"127.0.0.1:2222"`)},
	{args: "-c FOLDER/server.json", says: oneLine("-c", "server.json", "a server's file", "listen", "target")},
	{args: "--target 127.0.0.1:80", says: oneLine("--target", "client")},
}

var badServerCommands = []badCommand{
	{args: "-t 127.0.0.1:0", says: oneLine("--target", "1 to 65535")},
	{args: "-t 8000", says: oneLine("--target", `"127.0.0.1:8000"`)},
	{args: "-l 4000", says: oneLine("--listen", `":4000"`)},
	{args: "-c FOLDER/client.json", says: oneLine("-c", "client.json", "a client's file", "remoteaddr")},
	{args: "-l nothing", says: oneLine("--listen", "host:port")},
	{args: "-l :4000-3000", says: oneLine("--listen", "4000-3000")},
	{args: "-l [::g]:4000", says: oneLine("--listen", "IPv6")},
	{args: "--conn 4", says: oneLine("--conn", "server")},
}

// Each mistake gives one line that names the setting and what is valid. The exit code is 1,
// and nothing was opened.
func TestBadCommandLines(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"broken.json": "{\n  \"mtu\": 1200,,\n}",
		"typed.json":  `{"mtu": "1200"}`,
		"range.json":  `{"smuxver": 7}`,
		"utf16.json":  "\xff\xfe{\x00}\x00",
		"gbk.json":    "{\"key\":\"\xc3\xdc\"}",
		"server.json": `{"listen": ":4000", "target": "127.0.0.1:22"}`,
		"client.json": `{"remoteaddr": "vps:4000"}`,
		"quotes.json": "{\u201cmtu\u201d: 1200}",
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	for name, cases := range map[string][]badCommand{
		"client": append(badClientCommands, badCommands...),
		"server": append(badServerCommands, badCommands...),
	} {
		for _, c := range cases {
			t.Run(name+" "+c.args+c.env, func(t *testing.T) {
				t.Parallel()
				args := strings.Fields(strings.ReplaceAll(c.args, "FOLDER", folder))
				c.run(t, name, append(addresses[name][:4:4], args...))
			})
		}
	}
}

// Command lines that users have had for years work as they did with the original. A warning
// says what is in force.
func TestForgivenSettings(t *testing.T) {
	t.Parallel()
	both := []string{"--mtu", "1501", "--sndwnd", "0", "--rcvwnd", "65536", "--parityshard", "-1", "--interval", "5", "--crypt", "aes-256"}
	tn := start(t, plan{both: both, client: []string{"--autoexpire", "-1", "--scavengettl", "-1"}})
	tn.exchange(t, 256*kib)
	for _, p := range []*program{tn.client, tn.server} {
		for _, line := range []string{"1501 is out of range, valid values are 100 to 1500; 1500 is in force", "32 is in force", "65535 is in force", "-1 is out of range", "as the mode is not manual", "another name of aes"} {
			p.mustLog(t, line)
		}
	}
}

func (c badCommand) run(t *testing.T, name string, args []string) {
	t.Helper()
	var env []string
	if c.env != "" {
		env = append(env, c.env)
	}
	path := map[string]string{"client": programs.Client, "server": programs.Server}[name]
	p := launch(t, name, path, env, args)
	p.mustExit(t, 1)
	lines := strings.Split(p.Log(), "\n")
	if len(lines) != len(c.says) {
		t.Fatalf("it says in %d lines, want %d:\n%s", len(lines), len(c.says), p.Log())
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, "kcptun "+name+": ") {
			t.Errorf("the line does not name the program: %s", line)
		}
		for _, word := range c.says[i] {
			if !strings.Contains(line, word) {
				t.Errorf("no %q in: %s", word, line)
			}
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"client": programs.Client, "server": programs.Server} {
		for flag, words := range map[string][]string{
			"--help":    {"USAGE", "--remoteaddr", "--crypt", "aes-128-gcm", "KCPTUN_KEY"},
			"-h":        {"USAGE"},
			"--version": {"kcptun version SELFBUILD"},
			"-v":        {"kcptun version SELFBUILD"},
		} {
			p := launch(t, name, path, nil, []string{flag})
			p.mustExit(t, 0)
			for _, word := range words {
				if word == "--remoteaddr" && name == "server" {
					word = "--listen"
				}
				if !strings.Contains(p.Log(), word) {
					t.Errorf("%s %s does not say %s:\n%s", name, flag, word, p.Log())
				}
			}
		}
	}
}

// If an address is in use, the program ends and says why.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{})
	tn.exchange(t, 64*kib)
	local := field(t, tn.client.mustLog(t, "msg=listening"), "addr")
	for _, p := range []*program{
		launch(t, "second server", programs.Server, nil, plan{}.flags(nil, "-l", tn.remote, "-t", "127.0.0.1:1")),
		launch(t, "second client", programs.Client, nil, plan{}.flags(nil, "-l", local, "-r", tn.remote)),
	} {
		p.mustExit(t, 1)
		line := p.mustLog(t, "level=ERROR")
		if !strings.Contains(line, "in use") || !strings.Contains(line, local) && !strings.Contains(line, tn.remote) {
			t.Errorf("the %s does not say what is in use: %s", p.name, line)
		}
	}
	tn.exchange(t, 64*kib)
}

// A client that is not told where its server is does not start, and neither do the
// unchanged example files.
func TestNothingToStartWith(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"client", []string{"-l", "127.0.0.1:0"}, "--remoteaddr (JSON \"remoteaddr\"): is missing"},
		{"client", []string{"-c", "../dist/local.json.example"}, "placeholder"},
		{"client", []string{"-c", "../dist/local.full.json.example"}, "placeholder"},
		{"server", []string{"-c", "../dist/server.json.example"}, "placeholder"},
		{"server", []string{"-c", "../dist/server.full.json.example"}, "placeholder"},
	} {
		badCommand{says: oneLine(c.says)}.run(t, c.name, c.args)
	}
}

// The commands print what was asked for, start nothing, and end.
func TestCommands(t *testing.T) {
	t.Parallel()
	good := writeJSON(t, map[string]any{"key": secret, "mtu": 1300}, "remoteaddr", "127.0.0.1:4000")
	for _, c := range []struct {
		name  string
		args  string
		code  int
		words []string
	}{
		{"client", "--mtu 1200 check -c " + good, 0, []string{"mtu", "1300", "file", "overrides --mtu", "(not shown)"}},
		{"client", "check -c " + good + " --json", 0, []string{`"valid": true`, `"source": "file"`}},
		{"client", "check", 1, []string{"error: --remoteaddr"}},
		{"server", "check --json --mtu 5", 1, []string{`"valid": false`, `"flag": "--mtu"`}},
		{"server", "genkey", 0, []string{"="}},
		{"server", "completion bash", 0, []string{"--generate-shell-completion"}},
		{"client", "--mode --generate-shell-completion", 0, []string{"auto", "fast3", "manual"}},
		{"client", "help check", 0, []string{"--json", "--remoteaddr"}},
	} {
		path := map[string]string{"client": programs.Client, "server": programs.Server}[c.name]
		p := launch(t, c.name, path, nil, strings.Fields(c.args))
		p.mustExit(t, c.code)
		for _, word := range c.words {
			if !strings.Contains(p.Log(), word) {
				t.Errorf("%s %s does not say %s:\n%s", c.name, c.args, word, p.Log())
			}
		}
		if strings.Contains(p.Log(), "msg=") {
			t.Errorf("%s %s began its job:\n%s", c.name, c.args, p.Log())
		}
	}
}
