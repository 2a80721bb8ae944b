package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ciphers are all values of --crypt.
var ciphers = strings.Fields("aes aes-128 aes-128-gcm aes-192 salsa20 blowfish twofish cast5 3des tea xtea xor sm4 none null")

func TestCiphers(t *testing.T) {
	t.Parallel()
	size := int64(mib)
	if raceDetector {
		size /= 8 // 3des is a hundred times slower then, and spends its time on retransmissions
	}
	for _, name := range ciphers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name != "aes" && name != "aes-128-gcm" && name != "null" {
				t.Skip("not with -short: the unit tests know this cipher")
			}
			tn := start(t, plan{both: []string{"--crypt", name}, client: []string{"--conn", "4"}})
			tn.pulls(t, 4, size)
			tn.exchange(t, 2*size)
			tn.mustOpenAll(t)
		})
	}
}

// mustOpenAll expects that no datagram failed to decrypt, as there is no network here that
// could corrupt one. It found an implementation of sm4 that could handle only one packet at
// a time.
func (tn *tunnel) mustOpenAll(t *testing.T) {
	t.Helper()
	for _, p := range []*program{tn.client, tn.server} {
		if lines := p.lines("do not open"); len(lines) > 0 {
			t.Errorf("the %s: %q", p.name, lines)
		}
	}
}

// Settings of both ends, unless a case says otherwise.
func TestSettings(t *testing.T) {
	t.Parallel()
	cases := map[string]plan{
		"smux 1":             {both: []string{"--smuxver", "1"}},
		"smux 1, no snappy":  {both: []string{"--smuxver", "1", "--nocomp"}},
		"smux 2":             {both: []string{"--smuxver", "2"}},
		"smux 2, no snappy":  {both: []string{"--smuxver", "2", "--nocomp"}},
		"QPP":                {both: []string{"--QPP"}},
		"QPP, count 7":       {both: []string{"--QPP", "--QPPCount", "7"}},
		"no FEC":             {both: []string{"--datashard", "0", "--parityshard", "0"}},
		"FEC 3/2":            {both: []string{"--ds", "3", "--ps", "2"}},
		"FEC differs":        {server: []string{"--ds", "5", "--ps", "1"}, client: []string{"--ds", "20", "--ps", "4"}},
		"FEC at server only": {client: []string{"--ds", "0"}},
		"FEC at client only": {server: []string{"--ps", "0"}},
		"acknodelay":         {both: []string{"--acknodelay"}},
		"small mtu":          {both: []string{"--mtu", "300"}},
		"largest mtu":        {both: []string{"--mtu", "1500"}},
		"mtu differs":        {server: []string{"--mtu", "1400"}, client: []string{"--mtu", "600"}},
		"small buffers":      {both: []string{"--smuxbuf", "65536", "--streambuf", "32768", "--sockbuf", "65536"}},
		"frames of 64 KiB":   {both: []string{"--framesize", "65535"}},
		"large windows":      {both: []string{"--sndwnd", "2048", "--rcvwnd", "2048"}},
		"dscp":               {both: []string{"--dscp", "46"}},
	}
	for name, p := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && !strings.HasPrefix(name, "smux 1") && name != "QPP" {
				t.Skip("not with -short")
			}
			tn := start(t, p)
			tn.exchange(t, 4*mib)
			tn.mustOpenAll(t)
			if lines := tn.server.lines("client differs"); len(lines) > 0 {
				t.Errorf("the ends agree, yet the server says: %s", lines)
			}
		})
	}
}

// The banner shows what each mode stands for.
func TestModes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][4]string{
		"normal": {"0", "40", "2", "1"},
		"fast":   {"0", "30", "2", "1"},
		"fast2":  {"1", "20", "2", "1"},
		"fast3":  {"1", "10", "2", "1"},
		"manual": {"1", "15", "3", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Only manual uses these four flags.
			tn := start(t, plan{both: []string{"--mode", name, "--nodelay", "1", "--interval", "15", "--resend", "3", "--nc", "0"}})
			for _, p := range []*program{tn.server, tn.client} {
				line := p.mustLog(t, "msg=settings")
				for i, parameter := range []string{"nodelay", "interval", "resend", "nc"} {
					if got := field(t, line, parameter); got != want[i] {
						t.Errorf("the %s has %s %s in force, want %s", p.name, parameter, got, want[i])
					}
				}
			}
			tn.exchange(t, mib)
		})
	}
}

// Each end takes everything it needs from its JSON file, although the flags are wrong.
func TestJSONOverridesFlags(t *testing.T) {
	t.Parallel()
	target := startTarget(t, "127.0.0.1:0")
	listen, wrong := freeAddr(t), freeAddr(t)
	shared := map[string]any{"key": secret, "crypt": "salsa20", "mode": "fast3", "nocomp": true, "smuxver": 1, "datashard": 4, "parityshard": 2}
	flags := []string{"--key", "another", "--crypt", "aes", "--mode", "normal", "--smuxver", "2"}
	server := append([]string{"-c", writeJSON(t, shared, "listen", listen, "Target", target.Addr())}, flags...)
	client := append([]string{"-c", writeJSON(t, shared, "localaddr", "127.0.0.1:0", "REMOTEADDR", listen)}, flags...)
	tn := start(t, plan{keyless: true, listen: wrong, target: wrong, local: wrong, server: server, client: client})
	tn.exchange(t, mib)
	for _, p := range []*program{tn.server, tn.client} {
		line := p.mustLog(t, "msg=settings")
		for name, want := range map[string]string{"crypt": "salsa20", "mode": "fast3", "nocomp": "true", "smuxver": "1", "datashard": "4"} {
			if got := field(t, line, name); got != want {
				t.Errorf("the %s has %s %s in force, want %s of its JSON file", p.name, name, got, want)
			}
		}
		if warnings := p.lines("JSON"); len(warnings) > 0 {
			t.Errorf("the %s is not content with its JSON file: %s", p.name, warnings)
		}
		addresses := map[string]string{"server": "--listen, --target", "client": "--localaddr, --remoteaddr"}
		p.mustLog(t, "the file that -c names overrides "+addresses[p.name]+", --key, --crypt, --mode, --smuxver")
	}
}

// writeJSON writes a settings file with the common settings and additional ones, given as
// key and value.
func writeJSON(t *testing.T, shared map[string]any, more ...string) string {
	t.Helper()
	all := make(map[string]any)
	for key, value := range shared {
		all[key] = value
	}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	text, err := json.Marshal(all)
	must(t, err)
	path := filepath.Join(t.TempDir(), "settings.json")
	must(t, os.WriteFile(path, text, 0o600))
	return path
}

// The key from the environment is used: a client with the same key in a flag gets through.
func TestKeyFromEnvironment(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{keyless: true, env: []string{"KCPTUN_KEY=" + secret}})
	tn.exchange(t, 256*kib)
	_, tn.dial = startClient(t, tn.remote, plan{})
	tn.exchange(t, 256*kib)
	if lines := tn.server.lines("default key"); len(lines) > 0 {
		t.Errorf("a key is set, yet: %s", lines)
	}
}
