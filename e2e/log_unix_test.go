//go:build unix

package e2e_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// deaf is a program whose standard error is controlled by the test.
type deaf struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func launchDeaf(t *testing.T, stderr *os.File, path string, args []string) *deaf {
	t.Helper()
	d := &deaf{cmd: exec.Command(path, args...), done: make(chan struct{})}
	d.cmd.Stderr = stderr
	must(t, d.cmd.Start())
	go func() {
		_ = d.cmd.Wait() // the process state says how it ended
		close(d.done)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // usually it has ended already
		<-d.done
	})
	return d
}

// terminate expects a clean end after one SIGTERM.
func (d *deaf) terminate(t *testing.T) {
	t.Helper()
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	wait(t, "the program to end", func() bool {
		select {
		case <-d.done:
			return true
		default:
			return false
		}
	})
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with code %d, want 0: %v", code, d.cmd.ProcessState)
	}
}

// startDeaf starts a tunnel. One of its ends logs to stderr.
func startDeaf(t *testing.T, name string, stderr *os.File) (*tunnel, *deaf) {
	t.Helper()
	tn := &tunnel{target: startTarget(t, "127.0.0.1:0"), remote: freeAddr(t)}
	p := plan{listen: tn.remote, target: tn.target.Addr(), local: freeAddr(t)}
	if name == "server" {
		d := launchDeaf(t, stderr, programs.Server, p.flags(nil, "--listen", p.listen, "--target", p.target))
		_, tn.dial = startClient(t, tn.remote, p)
		return tn, d
	}
	startServer(t, p)
	d := launchDeaf(t, stderr, programs.Client, p.flags(nil, "--localaddr", p.local, "--remoteaddr", p.listen))
	wait(t, "the client to listen", func() bool {
		conn, err := net.Dial("tcp", p.local)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	tn.dial = lab.DialTo(p.local)
	return tn, d
}

// fill fills a pipe completely.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	for {
		must(t, w.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
		if n, err := w.Write(make([]byte, 4096)); n == 0 && err != nil {
			return
		}
	}
}

// Regression: a pipe that nobody read blocked each new stream, and SIGTERM.
func TestLogReaderStops(t *testing.T) {
	t.Parallel()
	for name := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			must(t, err)
			defer r.Close()
			fill(t, w)
			tn, d := startDeaf(t, name, w)
			w.Close()
			for range 40 {
				must(t, tn.push(t, kib))
			}
			must(t, tn.target.WaitIdle(patient(t)))
			d.terminate(t)
		})
	}
}

// Regression: Go ends a program by SIGPIPE once the reader of its standard error is gone.
func TestLogReaderGoes(t *testing.T) {
	t.Parallel()
	for name := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			must(t, err)
			tn, d := startDeaf(t, name, w)
			w.Close()
			must(t, tn.push(t, kib))
			r.Close()
			for range 5 {
				must(t, tn.push(t, kib))
			}
			must(t, d.cmd.Process.Signal(syscall.SIGUSR1)) // a line that no stream waits for
			must(t, tn.push(t, kib))
			must(t, tn.target.WaitIdle(patient(t)))
			d.terminate(t)
		})
	}
}

// A program that cannot report what is wrong with its settings ends nevertheless.
func TestRefusalIntoFullPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	fill(t, w)
	d := launchDeaf(t, w, programs.Client, []string{"--bogus"})
	w.Close()
	select {
	case <-d.done:
	case <-patient(t).Done():
		t.Fatal("still running")
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("ended with code %d, want 1", code)
	}
}

// It is an error if standard output cannot be written: a script has asked for the version.
func TestVersionIntoFullDevice(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full:", err)
	}
	defer full.Close()
	for _, arg := range []string{"--version", "--help"} {
		cmd := exec.Command(programs.Client, arg)
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = full, &stderr
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "kcptun client: standard output: ") {
			t.Errorf("%s: %v, and on standard error: %q", arg, err, stderr.String())
		}
	}
}
