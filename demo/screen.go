package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"kcptun/e2e/lab"
)

const (
	barWidth  = 32
	barPeriod = 100 * time.Millisecond // shortest time between two updates of the bar on a terminal
	plainStep = 25                     // percent between two lines if there is no terminal
)

// screen shows the progress of the demo. Write errors are ignored: the signal that comes
// with them ends the demo.
type screen struct {
	w        io.Writer
	terminal bool
	last     string // the bar currently on the terminal's line
}

func newScreen(f *os.File) *screen {
	info, err := f.Stat()
	return &screen{w: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (s *screen) say(format string, args ...any) {
	fmt.Fprintf(s.w, format+"\n", args...)
}

// bar returns the progress of a transfer of size bytes. On a terminal it stays on one line
// until endBar; elsewhere it prints a line now and then.
func (s *screen) bar(name string, size int64) lab.Progress {
	begin := time.Now()
	var shown time.Time
	percent := int64(0)
	return func(done int64) {
		now := time.Now()
		p := done * 100 / max(size, 1)
		if s.terminal && now.Sub(shown) < barPeriod && done < size {
			return
		}
		if !s.terminal && p < percent+plainStep && (done < size || p == percent) {
			return
		}
		shown = now
		percent = p - p%plainStep
		s.draw(name, done, size, now.Sub(begin))
	}
}

// follow shows the progress that done reports, until the returned function is called. That
// function waits for the last update.
func (s *screen) follow(name string, size int64, done func() int64) (stop func()) {
	show := s.bar(name, size)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(barPeriod)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show(done())
			case <-quit:
				show(done())
				s.endBar()
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

func (s *screen) draw(name string, done, size int64, took time.Duration) {
	full := int(min(done, size) * barWidth / max(size, 1))
	rate := float64(done) / max(took.Seconds(), 1e-3)
	line := fmt.Sprintf("%-16s [%s%s] %3d %%  %6.1f of %.1f MiB  %s", name,
		strings.Repeat("#", full), strings.Repeat(".", barWidth-full),
		done*100/max(size, 1), mebibytes(done), mebibytes(size), perSecond(rate))
	if !s.terminal {
		s.say("%s", line)
		return
	}
	// Spaces erase the rest of a longer line.
	fmt.Fprintf(s.w, "\r%-*s", len(s.last), line)
	s.last = line
}

// endBar moves on from the bar's line.
func (s *screen) endBar() {
	if s.last != "" {
		s.say("")
		s.last = ""
	}
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// perSecond formats bytes per second in decimal megabytes.
func perSecond(rate float64) string { return fmt.Sprintf("%.1f MB/s", rate/1e6) }
