package lab

import (
	"bytes"
	"strings"
	"sync"
)

const (
	logbookLines   = 10000 // lines kept; older lines of a long run are dropped
	logbookLineLen = 8192  // bytes kept of a line
	logbookTail    = 20    // lines shown in errors
)

// logbook is an io.Writer that keeps the latest lines written to it, and wakes those who
// wait for more.
type logbook struct {
	mu      sync.Mutex
	lines   []string // the latest lines; first is the number of lines[0]
	first   int
	partial []byte        // start of a line that is not complete
	more    chan struct{} // closed and replaced when a line is added
}

func newLogbook() *logbook { return &logbook{more: make(chan struct{})} }

// Write accepts the log in pieces of any size. It never fails.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := p
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if room := logbookLineLen - len(l.partial); len(line) > room {
			line = line[:room]
		}
		l.partial = append(l.partial, line...)
		if !found {
			return len(p), nil
		}
		l.endLine()
		rest = after
	}
}

// flush adds the last line if it has no newline.
func (l *logbook) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.endLine()
	}
}

func (l *logbook) endLine() {
	if len(l.lines) == logbookLines {
		// Half of them at a time: shifting all lines for each new one would be slow.
		l.lines = append([]string(nil), l.lines[logbookLines/2:]...)
		l.first += logbookLines / 2
	}
	l.lines = append(l.lines, strings.TrimSuffix(string(l.partial), "\r"))
	l.partial = l.partial[:0]
	close(l.more)
	l.more = make(chan struct{})
}

// since returns the kept lines from number n on, the number after the last, and a channel
// that is closed when there are more.
func (l *logbook) since(n int) (lines []string, next int, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	skip := min(max(n-l.first, 0), len(l.lines))
	return append([]string(nil), l.lines[skip:]...), l.first + len(l.lines), l.more
}

// String returns all kept lines.
func (l *logbook) String() string {
	lines, _, _ := l.since(0)
	return strings.Join(lines, "\n")
}

// tail returns the last lines, for errors.
func (l *logbook) tail() string {
	lines, _, _ := l.since(0)
	if len(lines) == 0 {
		return "(nothing logged)"
	}
	return strings.Join(lines[max(0, len(lines)-logbookTail):], "\n")
}
