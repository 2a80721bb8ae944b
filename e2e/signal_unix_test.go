//go:build unix

package e2e_test

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kcptun/e2e/lab"
)

// SIGUSR1 logs one line with every counter.
func TestCountersOnSignal(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{})
	tn.exchange(t, mib)
	for _, p := range []*program{tn.client, tn.server} {
		must(t, p.Signal(syscall.SIGUSR1))
		line := p.mustLog(t, "KCP SNMP:")
		for _, counter := range []string{"BytesSent:", "BytesReceived:", "RetransSegs:", "FECRecovered:", "InCsumErrors:", "LinkSealFailures:0", "LogLost:0"} {
			if !strings.Contains(line, " "+counter) {
				t.Errorf("the %s has no %s in its line: %s", p.name, counter, line)
			}
		}
		if strings.Contains(line, "BytesSent:0 ") || strings.Contains(line, "BytesReceived:0 ") {
			t.Errorf("the %s counted nothing: %s", p.name, line)
		}
	}
	tn.exchange(t, 64*kib)
}

// SIGHUP reopens the log. Nothing that is logged around a rename is lost.
func TestHangupReopensTheLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "client.log")
	local := freeAddr(t)
	tn := start(t, plan{noClient: true})
	client := launch(t, "client", programs.Client, nil, plan{}.flags(nil, "--localaddr", local, "--remoteaddr", tn.remote, "--log", path))
	read := func(path string) string {
		text, _ := os.ReadFile(path) // may not exist yet
		return string(text)
	}
	wait(t, "the client to listen", func() bool { return strings.Contains(read(path), "msg=listening") })
	tn.dial = lab.DialTo(local)
	const streams = 5
	rotate := func(old string) {
		for range streams {
			must(t, tn.push(t, kib))
		}
		must(t, os.Rename(path, old))
		for range streams {
			must(t, tn.push(t, kib))
		}
		must(t, client.Signal(syscall.SIGHUP))
		wait(t, "the new file", func() bool { return strings.HasPrefix(read(path), "time=") })
	}
	rotate(path + ".1")
	rotate(path + ".2")
	must(t, tn.push(t, kib))
	client.stop(t)
	all := read(path+".1") + read(path+".2") + read(path)
	for text, want := range map[string]int{`msg="stream opened"`: 4*streams + 1, `msg="stream closed"`: 4*streams + 1, "msg=settings": 1, `msg="log file reopened"`: 2, "msg=ended": 1} {
		if n := strings.Count(all, text); n != want {
			t.Errorf("%d lines with %s, want %d:\n%s", n, text, want, all)
		}
	}
}

// With a file of counters and no log file, SIGHUP after a rename of the file ends nothing, and
// the next row begins a new file.
func TestHangupWithCountersOnly(t *testing.T) {
	t.Parallel()
	for name, pick := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "counters.csv")
			counters := map[string][]string{name: {"--snmplog", path, "--snmpperiod", "1"}}
			tn := start(t, plan{client: counters["client"], server: counters["server"]})
			p := pick(tn)
			begun := func() bool {
				text, _ := os.ReadFile(path) // may not exist yet
				return strings.HasPrefix(string(text), "Unix,") && strings.Count(string(text), "\n") >= 2
			}
			wait(t, "a row of counters", begun)
			must(t, os.Rename(path, path+".1"))
			must(t, p.Signal(syscall.SIGHUP))
			p.mustLog(t, "nothing to reopen")
			wait(t, "a row in a new file", begun)
			tn.exchange(t, 64*kib)
			if lines := p.lines(`msg="ending`); len(lines) > 0 {
				t.Error(lines)
			}
		})
	}
}

// Without a file to reopen, the closing of the terminal is a clean end, however often it is
// signalled. Regression: it killed the program, which left its socket file behind.
func TestHangupEnds(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("SIGHUP is ignored here, as under nohup, and so by the programs that this test starts")
	}
	t.Parallel()
	for name, pick := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(t.TempDir(), "s")
			tn := start(t, plan{local: socket})
			tn.exchange(t, 64*kib)
			p := pick(tn)
			for range 3 {
				must(t, p.Signal(syscall.SIGHUP))
			}
			p.mustExit(t, 0)
			p.mustLog(t, "signal=hangup")
			p.mustLog(t, "msg=ended")
			if _, err := os.Lstat(socket); name == "client" && err == nil {
				t.Error("the socket file is left")
			}
		})
	}
}

func TestHangupUnderNohup(t *testing.T) {
	t.Parallel()
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip("no nohup here:", err)
	}
	tn := start(t, plan{noClient: true})
	local := freeAddr(t)
	client := launch(t, "client", nohup, nil, append([]string{programs.Client}, plan{}.flags(nil, "--localaddr", local, "--remoteaddr", tn.remote)...))
	client.mustLog(t, "msg=listening")
	must(t, client.Signal(syscall.SIGHUP))
	must(t, client.Signal(syscall.SIGUSR1))
	client.mustLog(t, "KCP SNMP:")
	tn.dial = lab.DialTo(local)
	tn.exchange(t, 64*kib)
	if lines := client.lines("msg=\"ending"); len(lines) > 0 {
		t.Error(lines)
	}
}
