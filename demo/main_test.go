package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small returns the options of a short run.
func small(t *testing.T, args ...string) options {
	t.Helper()
	opts, err := parse(append([]string{"-size", "1", "-delay", "5ms"}, args...), io.Discard)
	must(t, err)
	return opts
}

// ownTemp makes the demo's folder visible to the test, which checks at the end that it is
// gone.
func ownTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} { // the last two are for Windows
		t.Setenv(name, dir)
	}
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, "kcptun-demo-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

func checkRun(t *testing.T, opts options) {
	t.Helper()
	ownTemp(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	rep, err := run(ctx, opts, &screen{w: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, w := range []way{rep.up, rep.down} {
		if w.moved.Bytes != 1<<20 || w.net.Lost == 0 || w.wire < 1<<20 || w.resent+w.rebuilt == 0 {
			t.Errorf("%+v", w)
		}
	}
	if len(rep.echo) != echoCount || rep.echo[0] < 2*opts.delay {
		t.Errorf("round trips %v over a network of %v each way", rep.echo, opts.delay)
	}
	t.Logf("\n%s\n%s", out.String(), rep)
}

func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds both programs")
	}
	for _, mode := range []string{"auto", "fast3"} {
		t.Run(mode, func(t *testing.T) { checkRun(t, small(t, "-loss", "5", "-mode", mode)) })
	}
}

// TestDemoWithOldPrograms: the counters and log lines of an older release are understood,
// too.
func TestDemoWithOldPrograms(t *testing.T) {
	// They write no last row, so the run must take longer than the period of 1 s. It does,
	// with 20 round trips of 100 ms.
	opts := small(t, "-loss", "5", "-delay", "50ms", "-mode", "fast3")
	var ok, ok2 bool
	opts.programs.Client, ok = lab.OldClient()
	opts.programs.Server, ok2 = lab.OldServer()
	if !ok || !ok2 {
		t.Skip("no older release: set KCPTUN_OLD_CLIENT and KCPTUN_OLD_SERVER")
	}
	checkRun(t, opts)
}

// TestRunCleansUp: nothing is left behind if a program does not start or the run is
// cancelled.
func TestRunCleansUp(t *testing.T) {
	ownTemp(t)
	opts := small(t)
	opts.programs = lab.Programs{Client: "/nowhere/client", Server: "/nowhere/server"}
	if _, err := run(context.Background(), opts, &screen{w: io.Discard}); err == nil {
		t.Error("programs that do not exist ran")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("enough")
	cancel(reason)
	opts.programs = lab.Programs{}
	if _, err := run(ctx, opts, &screen{w: io.Discard}); !errors.Is(err, reason) {
		t.Errorf("error %v, want the reason of the cancellation", err)
	}
}

func TestParse(t *testing.T) {
	for _, args := range [][]string{
		{"-loss", "51"}, {"-loss", "-1"}, {"-loss", "NaN"}, {"-delay", "2s"}, {"-delay", "-1s"},
		{"-size", "0"}, {"-size", "2000"}, {"stray"}, {"-unknown"},
	} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	for args, want := range map[string]string{
		"":                        "--mode auto --crypt aes --snmplog f --snmpperiod 1", // the windows are left to mode auto
		"-rcvwnd 64 -crypt xor":   "--mode auto --crypt xor --snmplog f --snmpperiod 1 --rcvwnd 64",
		"-mode fast3 -nocomp":     "--mode fast3 --crypt aes --snmplog f --snmpperiod 1 --sndwnd 1024 --rcvwnd 1024 --nocomp",
		"-mode normal -sndwnd 32": "--mode normal --crypt aes --snmplog f --snmpperiod 1 --sndwnd 32 --rcvwnd 1024",
	} {
		opts, err := parse(strings.Fields(args), io.Discard)
		must(t, err)
		if got := strings.Join(opts.flags("f"), " "); got != want {
			t.Errorf("%s: flags %s, want %s", args, got, want)
		}
	}
}

func TestOpenPayload(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mine")
	must(t, os.WriteFile(path, []byte("abc"), 0o600))
	p, err := openPayload(options{file: path}, dir)
	must(t, err)
	if p.path != path || p.size != 3 || p.sum[0] != 0xba { // FIPS 180: the SHA-256 of "abc" begins with ba7816bf
		t.Errorf("%+v", p)
	}
	must(t, os.WriteFile(path, nil, 0o600))
	for _, bad := range []string{path, dir, filepath.Join(dir, "none")} {
		if _, err := openPayload(options{file: bad}, dir); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestReadCounters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	const head = "Unix,RetransSegs,FECRecovered\n"
	must(t, os.WriteFile(path, []byte(head+"1,2,3\n2,40,50\n"), 0o600))
	c, err := readCounters(path)
	must(t, err)
	if c["RetransSegs"] != 40 || c["FECRecovered"] != 50 {
		t.Errorf("%v", c)
	}
	for _, bad := range []string{"", head, head + "1,2\n", head + "1,x,3\n", "Unix,A\n1,2\n"} {
		must(t, os.WriteFile(path, []byte(bad), 0o600))
		if _, err := readCounters(path); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestBar(t *testing.T) {
	var out bytes.Buffer
	s := &screen{w: &out}
	show := s.bar("x", 1000)
	for done := int64(10); done <= 1000; done += 10 {
		show(done)
	}
	s.endBar()
	if n := strings.Count(out.String(), "\n"); n != 4 || strings.Contains(out.String(), "\r") {
		t.Errorf("%d lines without a terminal, want 4:\n%s", n, out.String())
	}
	out.Reset()
	s.terminal = true
	show = s.bar("x", 1000)
	for done := int64(10); done <= 1000; done += 10 {
		show(done)
	}
	s.endBar()
	if text := out.String(); !strings.HasPrefix(text, "\r") || !strings.Contains(text, "100 %") || strings.Count(text, "\n") != 1 {
		t.Errorf("on a terminal: %q", text)
	}
}

func TestReport(t *testing.T) {
	rep := report{
		up: way{
			moved: lab.Result{Bytes: 1e7, Duration: 2 * time.Second}, wire: 1.5e7,
			net: lab.Counters{PacketsIn: 1000, Lost: 25}, resent: 7, rebuilt: 8,
		},
		echo: []time.Duration{3 * time.Millisecond, 1 * time.Millisecond, 2 * time.Millisecond},
	}
	text := rep.String()
	for _, want := range []string{"5.0 MB/s", "25 of 1000 (2.5 %)", "1.50", "median 2.0 ms", "max 3.0 ms"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	column := strings.Index(text, "to the server")
	for _, line := range lines[1:] {
		if len(line) <= column || line[column] == ' ' || line[column-1] != ' ' {
			t.Errorf("not aligned: %q", line)
		}
	}
}
