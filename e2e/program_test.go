package e2e_test

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

// secret is part of every key that the tests use. No log may contain it.
const secret = "kEy-oF-tHe-LaB"

// program is a running client or server, which is checked at the end of the test.
type program struct {
	*lab.Process
	name string
	old  bool // an older release, which never ends cleanly
	gone bool // the test has already seen it end
}

// launch starts a program. It is stopped at the end of the test.
func launch(t *testing.T, name, path string, env, args []string) *program {
	t.Helper()
	proc, err := lab.Start(context.Background(), path, env, args...)
	must(t, err)
	return watch(t, name, proc, false)
}

// watch stops a running program at the end of the test, and checks how it ends.
func watch(t *testing.T, name string, proc *lab.Process, old bool) *program {
	p := &program{Process: proc, name: name, old: old}
	t.Cleanup(func() { p.finish(t) })
	return p
}

// stop sends SIGTERM and expects a clean end.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.gone = true
	if err := p.Stop(patient(t)); err != nil {
		t.Error(err)
	} else if code := p.ExitCode(); code != 0 && runtime.GOOS != "windows" {
		t.Errorf("the %s ended with code %d on SIGTERM, want 0", p.name, code)
	}
}

// kill ends the program as kill -9 does.
func (p *program) kill(t *testing.T) {
	t.Helper()
	p.gone = true
	must(t, p.Kill())
}

// mustExit waits for the program to end by itself with this exit code.
func (p *program) mustExit(t *testing.T, code int) {
	t.Helper()
	p.gone = true
	wait(t, "the "+p.name+" to end", func() bool {
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	})
	if got := p.ExitCode(); got != code {
		t.Errorf("the %s ended with code %d, want %d", p.name, got, code)
	}
}

// finish stops a program that is still running, and checks that its log contains nothing
// forbidden.
func (p *program) finish(t *testing.T) {
	if !p.gone && !p.old {
		p.stop(t)
	}
	if err := p.Kill(); err != nil { // even if the test believes that it has ended
		t.Error(err)
	}
	log := p.Log()
	for _, bad := range []string{"panic", "DATA RACE", "fatal error", secret} {
		if strings.Contains(log, bad) {
			t.Errorf("the log of the %s holds %q", p.name, bad)
		}
	}
	if t.Failed() {
		lines := strings.Split(log, "\n")
		t.Logf("log of the %s, its last lines:\n%s", p.name, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
}

// mustLog waits for a line that contains this text, and returns it.
func (p *program) mustLog(t *testing.T, text string) string {
	t.Helper()
	line, err := p.WaitLog(patient(t), text)
	must(t, err)
	return line
}

// mustLogTimes waits until this many lines contain the text, and returns them.
func (p *program) mustLogTimes(t *testing.T, times int, text string) []string {
	t.Helper()
	wait(t, fmt.Sprintf("%d lines of the %s with %q", times, p.name, text), func() bool {
		return len(p.lines(text)) >= times
	})
	return p.lines(text)
}

// lines returns the lines logged so far that contain this text.
func (p *program) lines(text string) []string {
	return slices.DeleteFunc(strings.Split(p.Log(), "\n"), func(line string) bool { return !strings.Contains(line, text) })
}

// field returns the value of name=value in a log line.
func field(t *testing.T, line, name string) string {
	t.Helper()
	m := regexp.MustCompile(` ` + regexp.QuoteMeta(name) + `=("[^"]*"|\S+)`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no %s in the line: %s", name, line)
	}
	return strings.Trim(m[1], `"`)
}

// fields returns the distinct values of a name in several lines.
func fields(t *testing.T, lines []string, name string) []string {
	t.Helper()
	var values []string
	for _, line := range lines {
		values = append(values, field(t, line, name))
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// freePorts returns the first of count consecutive ports that are free on 127.0.0.1, for
// UDP and TCP.
func freePorts(t *testing.T, count int) int {
	t.Helper()
	first, err := lab.FreePorts(count)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// startBehindRelays starts a server that has a range of ports, each behind a relay of its own
// with the same fault in both directions. The client is the caller's to start.
func startBehindRelays(t *testing.T, p *plan, ports int, fault lab.Fault) (*tunnel, lab.Relays) {
	t.Helper()
	first := freePorts(t, ports)
	p.noClient, p.listen = true, fmt.Sprintf("127.0.0.1:%d-%d", first, first+ports-1)
	tn := start(t, *p)
	relays, err := lab.NewRelays(lab.RelayConfig{Server: fmt.Sprintf("127.0.0.1:%d", first), Up: fault, Down: fault, Seed: 1}, ports)
	must(t, err)
	t.Cleanup(func() { relays.Close() })
	return tn, relays
}

// freeAddr returns an address on 127.0.0.1 that is free for UDP and TCP.
func freeAddr(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1))
}
