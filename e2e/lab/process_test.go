package lab

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helper is the program that the tests start: this test binary in one of several modes.
func helper(mode string) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	switch mode {
	case "serve":
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		log.Info("listening", "addr", "127.0.0.1:4001")
		log.Info("listening", "network", "udp", "addr", "[::]:4002")
		log.Info("environment", "key", os.Getenv("KCPTUN_KEY"), "args", strings.Join(os.Args[1:], ","))
		<-stop
		log.Info("stopped")
	case "stubborn":
		fmt.Println("ready")
		for range stop {
			fmt.Println("no")
		}
	case "fail":
		fmt.Print("first\nthe reason") // no newline at the end
		return 3
	}
	return 0
}

func startHelper(t *testing.T, mode string, env ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	noLeaks(t)
	p, err := Start(deadline(t), self, append(env, helperVariable+"="+mode), "one", "two")
	must(t, err)
	t.Cleanup(func() { must(t, p.Kill()) })
	return p
}

func TestProcess(t *testing.T) {
	t.Setenv("KCPTUN_KEY", "from the user's shell")
	p := startHelper(t, "serve")
	ctx := deadline(t)
	addr, err := p.ListenAddr(ctx)
	must(t, err)
	if addr != "127.0.0.1:4001" {
		t.Errorf("listens on %q", addr)
	}
	both, err := p.ListenAddrs(ctx, 2)
	must(t, err)
	if both[1] != "[::]:4002" {
		t.Errorf("listens on %q", both)
	}
	_, err = p.WaitLogMatch(ctx, regexp.MustCompile(`environment key="" args=one,two`))
	must(t, err)
	if p.ExitCode() != -1 || p.Pid() <= 0 {
		t.Errorf("a running process has exit code %d, pid %d", p.ExitCode(), p.Pid())
	}
	if runtime.GOOS == "windows" {
		return
	}
	must(t, p.Stop(ctx))
	must(t, p.Stop(ctx))
	must(t, p.Wait(ctx))
	if p.ExitCode() != 0 || !strings.Contains(p.Log(), "msg=stopped") {
		t.Errorf("exit code %d, log:\n%s", p.ExitCode(), p.Log())
	}
}

func TestProcessEnv(t *testing.T) {
	p := startHelper(t, "serve", "KCPTUN_KEY=given")
	_, err := p.WaitLog(deadline(t), "key=given")
	must(t, err)
}

func TestProcessStopKillsTheStubborn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no SIGTERM there")
	}
	p := startHelper(t, "stubborn")
	_, err := p.WaitLog(deadline(t), "ready")
	must(t, err)
	must(t, p.Signal(syscall.SIGTERM))
	_, err = p.WaitLog(deadline(t), "no")
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	wantError(t, p.Stop(ctx), "still running")
	select {
	case <-p.Done():
	default:
		t.Error("stop returned before the end of the process")
	}
}

func TestProcessEndsEarly(t *testing.T) {
	p := startHelper(t, "fail")
	ctx := deadline(t)
	_, err := p.WaitLog(ctx, "never printed")
	wantError(t, err, "the reason")
	wantError(t, p.Wait(ctx), "exit status 3")
	_, err = p.WaitLog(ctx, "first") // still in the log
	must(t, err)
	_, err = p.ListenAddr(ctx)
	wantError(t, err, "0 of 1 addresses")
	if p.ExitCode() != 3 {
		t.Errorf("exit code %d", p.ExitCode())
	}
}

func TestProcessContext(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	noLeaks(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p, err := Start(ctx, self, []string{helperVariable + "=serve"})
	must(t, err)
	_, err = p.ListenAddr(deadline(t))
	must(t, err)
	cancel()
	wait(t, "the process to be killed", func() bool {
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	})
	if _, err := Start(context.Background(), "/nowhere/at/all", nil); err == nil {
		t.Error("a missing program was started")
	}
}

func TestProcessMeasures(t *testing.T) {
	p := startHelper(t, "serve")
	_, err := p.ListenAddr(deadline(t))
	must(t, err)
	rss, err := p.RSS()
	if runtime.GOOS != "linux" {
		wantError(t, err, "linux")
		return
	}
	must(t, err)
	cpu, err := p.CPU()
	must(t, err)
	fds, err := p.FDs()
	must(t, err)
	if rss < 1<<20 || cpu < 0 || cpu > time.Minute || fds < 3 {
		t.Errorf("rss %d, cpu %v, descriptors %d", rss, cpu, fds)
	}
	must(t, p.Kill())
	if _, err := p.RSS(); err == nil {
		t.Error("an ended process has a size")
	}
}

func TestParseListen(t *testing.T) {
	for line, want := range map[string]string{
		`time=x level=INFO msg=listening addr=127.0.0.1:12948 network=tcp`: "127.0.0.1:12948",
		`time=x level=INFO msg=listening addr="/tmp/a b.sock"`:             "/tmp/a b.sock",
		`time=x level=INFO msg=listening network=udp addr=[::]:29900`:      "[::]:29900",
		`2021/09/22 16:06:25 main.go:334: listening on: 127.0.0.1:39900`:   "127.0.0.1:39900",
		`2021/09/22 16:06:25 main.go:334: listening on: [::]:39900`:        "[::]:39900",
		`time=x level=INFO msg="not listening" addr=1.2.3.4:5`:             "",
		`time=x level=INFO msg=connected addr=1.2.3.4:5`:                   "",
	} {
		if got, _ := parseListen(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestLogbook(t *testing.T) {
	l := newLogbook()
	for i := range logbookLines + 5 {
		fmt.Fprintf(l, "line %d\r\n", i)
	}
	lines, next, _ := l.since(0)
	if len(lines) > logbookLines || next != logbookLines+5 || lines[len(lines)-1] != fmt.Sprint("line ", logbookLines+4) {
		t.Errorf("%d lines up to number %d, the last is %q", len(lines), next, lines[len(lines)-1])
	}
	if rest, _, _ := l.since(next - 1); len(rest) != 1 {
		t.Errorf("%d lines since the last", len(rest))
	}
	fmt.Fprint(l, strings.Repeat("x", 3*logbookLineLen), "\n")
	if last, _, _ := l.since(next); len(last) != 1 || len(last[0]) != logbookLineLen {
		t.Error("a long line is not cut")
	}
}
