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
	logQueue = 256 << 10   // bytes of lines that wait, 1000 lines or more; the writer may hold as many again
	logSpare = 16 << 10    // bytes of capacity that an empty buffer may keep
	logFlush = time.Second // time to write the last lines at the end; the program waits no longer for a log that is stuck
)

// logSink is where the log goes. Writing to it neither blocks nor fails: lines are queued,
// and one goroutine writes them to standard error or to the file. If a terminal is stopped
// with Ctrl-S, a collector hangs, a reader is gone or a disk is full, lines are lost, but
// nothing else happens. Lost lines are counted, and their number is logged before the next
// line that gets through.
type logSink struct {
	path string // of the file; empty for standard error, which cannot be reopened

	mu     sync.Mutex
	queued []byte // whole lines
	excess uint64 // lines dropped since the queue was last emptied
	closed bool

	lost    atomic.Uint64 // lines lost since the start
	wake    chan struct{} // holds a token when the queue has changed
	renew   chan struct{} // holds a token when the file must be reopened
	closing chan struct{}
	done    chan struct{}
	once    sync.Once

	// The rest belongs to the writing goroutine.
	out        io.Writer
	torn       bool   // only part of the last line was written
	unreported uint64 // lost lines not yet mentioned in the log
	ownLog     *slog.Logger
	ownText    bytes.Buffer
}

// newLogSink writes to out, usually standard error, and never closes it.
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

// newLogger returns a logger with the programs' log format.
func newLogger(out io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: plainError}))
}

// plainError logs an error as its text only. Errors of kcp-go would print a stack trace.
func plainError(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		return slog.String(a.Key, err.Error())
	}
	return a
}

// Write queues a line, which must end with its only newline. It never fails.
func (s *logSink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		s.lost.Add(1)
		return len(line), nil
	// Once a line did not fit, shorter ones are dropped, too, so that all missing lines are
	// missing in one place.
	case s.excess > 0 || len(s.queued)+len(line) > logQueue:
		s.excess++
		s.lost.Add(1)
	default:
		s.queued = append(s.queued, line...)
	}
	signalOne(s.wake)
	return len(line), nil
}

// Lost is the number of lines lost since the start; 0 for a nil sink.
func (s *logSink) Lost() uint64 {
	if s == nil {
		return 0
	}
	return s.lost.Load()
}

// Reopen opens the file again after log rotation has renamed it. It does not wait; the
// result is logged. Standard error is never reopened.
func (s *logSink) Reopen() {
	if s.path != "" {
		signalOne(s.renew)
	}
}

// Close writes what is queued and reports whether that was done within limit. A write that
// hangs cannot be cancelled; it and its goroutine stay until the process ends. Lines
// written after Close are lost.
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

// signalOne puts a token into a channel with room for one, unless it holds one already.
func signalOne(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
