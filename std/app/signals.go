package app

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"kcptun/std/clock"
	"kcptun/std/config"
)

// catchSIGPIPE keeps the process alive when the reader of its standard output or error goes
// away. Go ends a program whose write to either fails with EPIPE unless it catches SIGPIPE;
// if it does, the write just returns an error. The signal is caught rather than ignored
// because child processes, such as iptables, would inherit that it is ignored.
func catchSIGPIPE() (stop func()) {
	c := make(chan os.Signal, 1) // nobody reads it: os/signal drops signals when it is full
	signal.Notify(c, syscall.SIGPIPE)
	return func() { signal.Stop(c) }
}

// onSignals ends the job at the first SIGINT or SIGTERM, and the program at the second.
// SIGHUP reopens the log file; without a file it means that the terminal is gone, and ends
// the job.
func (a App) onSignals(cfg *config.Config, env Env, cancel func()) (stop func()) {
	h := signalHandler{log: env.Log, cancel: cancel}
	h.exit = func() {
		env.sink.Close(logFlush)
		a.Exit(1)
	}
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM}
	switch {
	case cfg.Log != "":
		h.hangup = func() { env.sink.Reopen() }
	case cfg.WritesCounters():
		h.hangup = func() { env.Log.Info("nothing to reopen: each line opens the file of --snmplog anew") }
	}
	// nohup makes the process ignore SIGHUP. With a log file, SIGHUP is handled
	// nevertheless, because reopening ends nothing.
	if h.hangup != nil || !signal.Ignored(syscall.SIGHUP) {
		wanted = append(wanted, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, wanted...)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case s := <-signals:
				h.handle(s, clock.Now())
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
		<-ended
	}
}

// signalHandler decides what a signal does.
type signalHandler struct {
	log    *slog.Logger
	cancel func()
	exit   func()        // ends the program
	hangup func()        // called at SIGHUP; nil: SIGHUP ends the job
	first  os.Signal     // that ended the job; nil: none has
	at     time.Duration // when it came, by package clock
}

// echoTime is how soon the same signal is no second one. Programs that run others, such as
// timeout(1), send a signal both to the program and to its process group: the second follows
// within microseconds, or some milliseconds on a busy machine. A person needs longer.
const echoTime = 250 * time.Millisecond

// handle acts on a signal that came at the time now.
func (h *signalHandler) handle(s os.Signal, now time.Duration) {
	switch {
	case s == syscall.SIGHUP && h.hangup != nil:
		h.hangup()
	case h.first == nil:
		h.first, h.at = s, now
		h.log.Info("ending: no new streams, open ones have a few seconds; a second signal ends at once", "signal", s)
		h.cancel()
	case s == syscall.SIGHUP:
		// The kernel and the shell both send SIGHUP when a terminal closes, and systemd may
		// send it after SIGTERM, so it never counts as the second signal.
	case s == h.first && now-h.at < echoTime:
	default:
		h.log.Warn("ended at once", "signal", s)
		h.exit()
	}
}
