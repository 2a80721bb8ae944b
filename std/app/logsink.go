package app

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the log.
const (
	logQueue = 256 << 10   // bytes of lines that wait, 1000 lines or more; as many again may be in the hands of the writer
	logSpare = 16 << 10    // bytes that a buffer may keep once it is empty
	logFlush = time.Second // for the last lines at the end, and for the program to wait for a log that is stuck
)

// logSink is where the log goes. Writing to it neither blocks nor fails: lines are queued,
// and one goroutine writes them to standard error or to the file. Where a terminal is
// stopped with Ctrl-S, a collector hangs, a reader is gone or a disk is full, lines are
// lost, and nothing else happens. Lost lines are counted, and the next line that gets
// through is preceded by their number.
type logSink struct {
	path string // of the file; empty for standard error, which cannot be reopened

	mu     sync.Mutex
	queued []byte // whole lines
	excess uint64 // lines that found the queue full since it was last emptied
	closed bool

	lost    atomic.Uint64 // lines, since the start
	wake    chan struct{} // has a token where the queue has changed
	renew   chan struct{} // has a token where the file is to be reopened
	closing chan struct{}
	done    chan struct{}
	once    sync.Once

	// The rest belongs to the goroutine that writes.
	out        io.Writer
	torn       bool   // the last line was written in part
	unreported uint64 // lost lines that the log does not mention yet
	ownLog     *slog.Logger
	ownText    bytes.Buffer
}

// newLogSink writes to out, usually standard error, and does not close it.
func newLogSink(out io.Writer) *logSink {
	s := &logSink{
		wake: make(chan struct{}, 1), renew: make(chan struct{}, 1),
		closing: make(chan struct{}), done: make(chan struct{}),
		out: out,
	}
	s.ownLog = newLogger(&s.ownText)
	go s.run()
	return s
}

// openLogSink appends to the file at path.
func openLogSink(path string) (*logSink, error) {
	f, err := openLog(path)
	if err != nil {
		return nil, err
	}
	s := newLogSink(f)
	s.path = path
	return s, nil
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// newLogger returns a logger with the format of the programs.
func newLogger(out io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: plainError}))
}

// plainError logs an error as its text. Errors of kcp-go would print a stack trace.
func plainError(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		return slog.String(a.Key, err.Error())
	}
	return a
}

// Write queues a line, which ends with its only newline. It never fails.
func (s *logSink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		s.lost.Add(1)
		return len(line), nil
	// A short line after a long one that did not fit is dropped, too, so that all missing
	// lines are missing at one place.
	case s.excess > 0 || len(s.queued)+len(line) > logQueue:
		s.excess++
		s.lost.Add(1)
	default:
		s.queued = append(s.queued, line...)
	}
	signalOne(s.wake)
	return len(line), nil
}

// Lost is how many lines were lost since the start; a nil sink has lost none.
func (s *logSink) Lost() uint64 {
	if s == nil {
		return 0
	}
	return s.lost.Load()
}

// Reopen opens the file again, after it was renamed by log rotation. It does not wait for
// that; the result is logged. Standard error stays as it is.
func (s *logSink) Reopen() {
	if s.path != "" {
		signalOne(s.renew)
	}
}

// Close writes what is queued, and returns whether that was done within limit. A write
// that hangs cannot be cancelled; it and its goroutine remain until the process ends.
// Lines that come after Close are lost.
func (s *logSink) Close(limit time.Duration) bool {
	s.once.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.closing)
	})
	select {
	case <-s.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// signalOne leaves a token in a channel that holds one.
func signalOne(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
