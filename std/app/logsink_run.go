package app

import (
	"bytes"
	"io"
)

// run writes queued lines until the sink is closed.
func (s *logSink) run() {
	defer close(s.done)
	var spare []byte
	for {
		select {
		case <-s.wake:
			spare = s.writeQueued(spare)
		case <-s.renew:
			spare = s.writeQueued(spare) // these lines belong in the old file
			s.reopen()
		case <-s.closing:
			s.writeQueued(spare)
			s.closeFile()
			return
		}
	}
}

// writeQueued writes the queued lines, leaves spare as the new empty queue, and returns the
// buffer just written.
func (s *logSink) writeQueued(spare []byte) []byte {
	s.mu.Lock()
	lines, excess := s.queued, s.excess
	s.queued, s.excess = spare[:0], 0
	s.mu.Unlock()
	s.report()
	for line := range bytes.Lines(lines) {
		if !s.put(line) {
			s.lost.Add(1)
			s.unreported++
		}
	}
	s.unreported += excess
	s.report()
	if cap(lines) > logSpare {
		return nil
	}
	return lines
}

// report logs how many lines are missing here.
func (s *logSink) report() {
	if s.unreported == 0 {
		return
	}
	s.ownLog.Warn("log lines were lost here: the log was not read, or could not be written", "lines", s.unreported)
	if s.putOwn() {
		s.unreported = 0
	}
}

// put writes one line and reports whether that succeeded. Each line is one write, because
// two programs may share a pipe or a file.
func (s *logSink) put(line []byte) bool {
	if s.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := s.out.Write(line)
	if n > 0 {
		s.torn = err != nil && line[n-1] != '\n'
	}
	return err == nil
}

// putOwn writes a line logged by the sink itself.
func (s *logSink) putOwn() bool {
	defer s.ownText.Reset()
	return s.put(s.ownText.Bytes())
}

func (s *logSink) reopen() {
	f, err := openLog(s.path)
	if err != nil {
		s.ownLog.Error("the log file was not reopened, the old one stays in use", "err", err)
	} else {
		s.closeFile()
		s.out, s.torn = f, false
		s.ownLog.Info("log file reopened", "file", s.path)
	}
	if !s.putOwn() {
		s.lost.Add(1)
		s.unreported++
	}
}

// closeFile closes the file that the sink has opened. Its lines have been written, and an
// error of Close could not be logged anyway.
func (s *logSink) closeFile() {
	if f, ok := s.out.(io.Closer); ok && s.path != "" {
		f.Close()
	}
}
