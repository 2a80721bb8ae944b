package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// pipeGrace is how long to wait for the rest of a program's output after it has ended: a
// child that it left behind may keep the pipe open.
const pipeGrace = 2 * time.Second

// Process is a running program whose output is captured. It is safe for concurrent use.
type Process struct {
	name string
	cmd  *exec.Cmd
	log  *logbook
	done chan struct{} // closed when the program has ended and its log is complete
}

// Start starts a program. Its environment is ours plus env, but without our variables that
// begin with KCPTUN_, so that a user's settings do not affect tests. When ctx ends, the
// program is killed.
func Start(ctx context.Context, path string, env []string, args ...string) (*Process, error) {
	p := &Process{
		name: filepath.Base(path),
		cmd:  exec.CommandContext(ctx, path, args...),
		log:  newLogbook(),
		done: make(chan struct{}),
	}
	p.cmd.Env = append(plainEnviron(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.WaitDelay = pipeGrace
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	go func() {
		// The process state says how it ended; an error here only repeats that.
		_ = p.cmd.Wait()
		p.log.flush()
		close(p.done)
	}()
	return p, nil
}

func plainEnviron() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KCPTUN_") {
			env = append(env, v)
		}
	}
	return env
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log returns what the program has printed so far, at most its latest 10,000 lines.
func (p *Process) Log() string { return p.log.String() }

// ExitCode is the program's exit code. It is -1 while the program runs and if a signal
// ended it.
func (p *Process) ExitCode() int {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// Signal sends a signal. On Windows only os.Kill works.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// Stop asks the program to end and waits for it. It sends SIGTERM; on Windows, which has no
// signals, it kills the program. If ctx ends first, it kills the program and the error says
// so. It is not an error if the program has ended already.
func (p *Process) Stop(ctx context.Context) error {
	if runtime.GOOS == "windows" {
		return p.Kill()
	}
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(
			fmt.Errorf("stop %s: still running: %w; killed, its log ends:\n%s", p.name, context.Cause(ctx), p.log.tail()),
			p.Kill())
	}
}

// Kill ends the program at once and waits until it has ended.
func (p *Process) Kill() error {
	if err := p.Signal(os.Kill); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// Wait waits until the program ends. An exit code other than 0 is an error, which shows the
// end of the log.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("%s is still running: %w", p.name, context.Cause(ctx))
	}
	if !p.cmd.ProcessState.Success() {
		return p.ended()
	}
	return nil
}

func (p *Process) ended() error {
	return fmt.Errorf("%s ended: %v; its log ends:\n%s", p.name, p.cmd.ProcessState, p.log.tail())
}

// WaitLog waits for a line that contains text and returns it. Lines already printed count,
// too. It fails if the program ends without such a line.
func (p *Process) WaitLog(ctx context.Context, text string) (string, error) {
	line, err := p.waitLine(ctx, func(s string) bool { return strings.Contains(s, text) })
	if err != nil {
		return "", fmt.Errorf("no log line with %q: %w", text, err)
	}
	return line, nil
}

// WaitLogMatch does the same for a regular expression.
func (p *Process) WaitLogMatch(ctx context.Context, re *regexp.Regexp) (string, error) {
	line, err := p.waitLine(ctx, re.MatchString)
	if err != nil {
		return "", fmt.Errorf("no log line like %q: %w", re, err)
	}
	return line, nil
}

func (p *Process) waitLine(ctx context.Context, match func(string) bool) (string, error) {
	return p.waitLineFrom(ctx, 0, match)
}

// waitLineFrom examines the lines from the given number on.
func (p *Process) waitLineFrom(ctx context.Context, next int, match func(string) bool) (string, error) {
	for {
		var ended bool
		select { // checked before the lines are read, so that none is missed
		case <-p.done:
			ended = true
		default:
		}
		lines, n, more := p.log.since(next)
		for _, line := range lines {
			if match(line) {
				return line, nil
			}
		}
		if ended {
			return "", p.ended()
		}
		next = n
		select {
		case <-more:
		case <-p.done:
		case <-ctx.Done():
			return "", fmt.Errorf("%w; the log of %s ends:\n%s", context.Cause(ctx), p.name, p.log.tail())
		}
	}
}
