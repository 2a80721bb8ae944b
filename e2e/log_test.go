package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestQuiet(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{both: []string{"--quiet"}})
	tn.exchange(t, 64*kib)
	must(t, tn.target.WaitIdle(patient(t)))
	for _, p := range []*program{tn.client, tn.server} {
		if lines := p.lines(`msg="stream `); len(lines) > 0 {
			t.Errorf("the quiet %s logs streams: %q", p.name, lines)
		}
		p.mustLog(t, "session opened") // so --quiet suppresses nothing else
	}
}

// What the log lines of a stream say.
func TestStreamLines(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{})
	must(t, tn.push(t, mib))
	for _, p := range []*program{tn.client, tn.server} {
		opened, closed := p.mustLog(t, `msg="stream opened"`), p.mustLog(t, `msg="stream closed"`)
		if field(t, opened, "stream") != field(t, closed, "stream") || field(t, opened, "from") != field(t, closed, "from") {
			t.Errorf("the two lines are not of one stream:\n%s\n%s", opened, closed)
		}
		// 9 bytes of header up, 1 byte of answer down
		if up, down := field(t, closed, "up"), field(t, closed, "down"); up != "1048585" || down != "1" {
			t.Errorf("the %s counted %s bytes up and %s down, want 1048585 and 1", p.name, up, down)
		}
		if reason := field(t, closed, "reason"); !strings.Contains(reason, "finished") {
			t.Errorf("the %s gives the reason %q", p.name, reason)
		}
	}
}

// --log receives everything. It appends to an existing file.
func TestLogFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "server.log")
	must(t, os.WriteFile(path, []byte("the line before\n"), 0o600))
	listen, target := freeAddr(t), startTarget(t, "127.0.0.1:0")
	server := launch(t, "server", programs.Server, nil, plan{}.flags(nil, "--listen", listen, "--target", target.Addr(), "--log", path))
	read := func() string {
		text, err := os.ReadFile(path)
		must(t, err)
		return string(text)
	}
	wait(t, "the server to listen", func() bool { return strings.Contains(read(), "msg=listening") })
	tn := &tunnel{server: server, remote: listen}
	tn.client, tn.dial = startClient(t, listen, plan{})
	tn.exchange(t, 64*kib)
	must(t, target.WaitIdle(patient(t)))
	server.stop(t)
	log := read()
	if text := server.Log(); text != "" {
		t.Errorf("with --log the server still prints: %s", text)
	}
	if !strings.HasPrefix(log, "the line before\n") {
		t.Error("the file was not appended to")
	}
	for _, text := range []string{"msg=settings", `msg="session opened"`, `msg="stream closed"`, "msg=ended"} {
		if !strings.Contains(log, text) {
			t.Errorf("the log file holds no %s:\n%s", text, log)
		}
	}
	if strings.Contains(log, secret) {
		t.Error("the log file holds the key")
	}
}

// Two people can compare the fingerprints in their banners.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{})
	fingerprint := func(p *program) string { return field(t, p.mustLog(t, "fingerprint="), "fingerprint") }
	same := fingerprint(tn.server)
	if got := fingerprint(tn.client); got != same {
		t.Errorf("the same settings give %s and %s", same, got)
	}
	seen := map[string]string{same: "no flag"}
	for _, flag := range []string{"--nocomp", "--smuxver=1", "--QPP", "--crypt=aes-128"} {
		p, _ := startClient(t, tn.remote, plan{client: []string{flag}})
		if other := seen[fingerprint(p)]; other != "" {
			t.Errorf("%s gives the fingerprint of %s", flag, other)
		}
		seen[fingerprint(p)] = flag
	}
	p, _ := startClient(t, tn.remote, plan{client: []string{"--mode=fast3", "--ds=5", "--mtu=1200", "--key=another " + secret}})
	if got := fingerprint(p); got != same {
		t.Errorf("settings that may differ, and the key, give %s in place of %s", got, same)
	}
}

// Everybody knows the default key, so each start warns of it.
func TestDefaultKeyWarning(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{keyless: true})
	tn.server.mustLog(t, "default key")
	tn.client.mustLog(t, "default key")
	for _, p := range []*program{tn.server, tn.client} {
		if lines := p.lines("secrect"); len(lines) > 0 {
			t.Errorf("the %s logs its key: %q", p.name, lines)
		}
	}
}
