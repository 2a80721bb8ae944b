package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/std/testkit"
)

// gate is a log that blocks while its gate is shut, like a full pipe.
type gate struct {
	testkit.Logbook
	shut sync.Mutex
	held chan struct{} // holds a token if a write is or was blocked
}

func newGate() *gate {
	g := &gate{held: make(chan struct{}, 1)}
	g.shut.Lock()
	return g
}

func (g *gate) Write(p []byte) (int, error) {
	signalOne(g.held)
	g.shut.Lock()
	defer g.shut.Unlock()
	return g.Logbook.Write(p)
}

// fullDisk accepts a number of bytes and no more.
type fullDisk struct {
	testkit.Logbook
	mu   sync.Mutex
	room int
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(p), d.room)
	d.room -= n
	_, _ = d.Logbook.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func (d *fullDisk) makeRoom(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = n
}

func writeLines(s *logSink, first, count int) {
	for i := range count {
		fmt.Fprintf(s, "line %d, of a length that lines have: from=127.0.0.1:12345 to=127.0.0.1:54321\n", first+i)
	}
}

var lossLine = regexp.MustCompile(`level=WARN msg="log lines were lost here: .*" lines=(\d+)\n$`)

// readBack checks that lines are in order, and that wherever some are missing, a line says
// how many. It returns how many arrived and how many are missing.
func readBack(t *testing.T, text string) (came, missing int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if m := lossLine.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			missing += n
			continue
		}
		var got int
		if _, err := fmt.Sscanf(line, "line %d,", &got); err != nil || got != came+missing || !strings.HasSuffix(line, "54321\n") {
			t.Fatalf("line %d is %q", came+missing, line)
		}
		came++
	}
	return came, missing
}

func TestLogSinkWritesAtOnce(t *testing.T) {
	testkit.NoLeak(t)
	var book testkit.Logbook
	s := newLogSink(&book)
	writeLines(s, 0, 1)
	testkit.Eventually(t, "a line is written while nothing follows it", func() bool { return book.Count("line 0,") == 1 })
	writeLines(s, 1, 500)
	for range 2 { // Close is idempotent
		if !s.Close(testkit.Patience) {
			t.Error("not closed in time")
		}
	}
	if came, missing := readBack(t, book.String()); came != 501 || missing != 0 || s.Lost() != 0 {
		t.Errorf("%d lines came, %d are missing, %d counted", came, missing, s.Lost())
	}
	writeLines(s, 501, 1) // after the end this neither panics nor blocks
	if s.Lost() != 1 {
		t.Error("a line after the end is not counted")
	}
}

// Regression: a stream's log line waited for the reader of the log, and the stream waited,
// too.
func TestLogSinkStuck(t *testing.T) {
	testkit.NoLeak(t)
	g := newGate()
	s := newLogSink(g)
	writeLines(s, 0, 1)
	testkit.Within(t, "the first line is on its way", g.held)
	const lines = 10000
	writeLines(s, 1, lines-1) // must return, which is the point
	if s.Lost() == 0 {
		t.Error("a queue without a bound")
	}
	begun := time.Now()
	if s.Close(time.Millisecond) {
		t.Error("closed while a write is stuck")
	}
	if time.Since(begun) > testkit.Patience/2 {
		t.Error("Close waited for what is stuck")
	}
	g.shut.Unlock()
	testkit.Within(t, "the sink ends once the log flows", s.done)
	came, missing := readBack(t, g.String())
	if came+missing != lines || uint64(missing) != s.Lost() || came*60 < logQueue/2 {
		t.Errorf("%d lines came, %d are said to be missing, %d are counted, of %d", came, missing, s.Lost(), lines)
	}
}

// If a disk is full for a while, only the lines of that while are lost.
func TestLogSinkFullDisk(t *testing.T) {
	testkit.NoLeak(t)
	d := &fullDisk{room: 1000}
	s := newLogSink(d)
	writeLines(s, 0, 100) // the last of the first dozen is torn
	testkit.Eventually(t, "88 lines are lost", func() bool { return s.Lost() == 88 })
	torn := d.String()
	d.makeRoom(1 << 20)
	writeLines(s, 100, 10)
	s.Close(testkit.Patience)
	whole := torn[:strings.LastIndexByte(torn, '\n')+1]
	rest, ok := strings.CutPrefix(d.String(), torn+"\n")
	if !ok {
		t.Fatalf("the next line is not on a line of its own: %q", strings.TrimPrefix(d.String(), torn))
	}
	came, missing := readBack(t, whole+rest)
	if came+missing != 110 || uint64(missing) != s.Lost() {
		t.Errorf("%d lines came, %d are said to be missing, %d are counted, of 110", came, missing, s.Lost())
	}
}

// The log may be gone for good: nothing is kept for it, and there is no busy loop.
func TestLogSinkGone(t *testing.T) {
	testkit.NoLeak(t)
	s := newLogSink(new(fullDisk))
	writeLines(s, 0, 5000)
	if !s.Close(testkit.Patience) || s.Lost() != 5000 {
		t.Errorf("%d lines are counted as lost, of 5000", s.Lost())
	}
}

func TestLogSinkReopen(t *testing.T) {
	testkit.NoLeak(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	read := func(path string) string {
		text, _ := os.ReadFile(path)
		return string(text)
	}
	s, err := openLogSink(path)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 5
	for round := range rounds {
		writeLines(s, 100*round, 50)
		old := fmt.Sprintf("%s.%d", path, round)
		if err := os.Rename(path, old); err != nil {
			t.Skip("this system does not rename a file that is open:", err)
		}
		writeLines(s, 100*round+50, 50)
		s.Reopen()
		testkit.Eventually(t, "the new file is in use", func() bool { return strings.Contains(read(path), "log file reopened") })
	}
	s.Close(testkit.Patience)
	text := ""
	for round := range rounds {
		text += read(fmt.Sprintf("%s.%d", path, round))
	}
	text = regexp.MustCompile("(?m)^.*log file reopened.*\n").ReplaceAllString(text+read(path), "")
	if came, missing := readBack(t, text); came != 100*rounds || missing != 0 {
		t.Errorf("%d lines came, %d are missing", came, missing)
	}
}

// If a folder is gone or no longer writable, the old file continues to be used.
func TestLogSinkReopenFails(t *testing.T) {
	testkit.NoLeak(t)
	dir := filepath.Join(t.TempDir(), "a")
	moved := dir + "-moved"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := openLogSink(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, moved); err != nil {
		t.Skip("this system does not rename a folder with an open file:", err)
	}
	s.Reopen()
	read := func() string {
		text, _ := os.ReadFile(filepath.Join(moved, "log"))
		return string(text)
	}
	testkit.Eventually(t, "the trouble is in the old file", func() bool { return strings.Contains(read(), "not reopened") })
	writeLines(s, 0, 1)
	s.Close(testkit.Patience)
	testkit.Contains(t, read(), "level=ERROR", "no such file", "line 0,")
}

// Standard error cannot be reopened.
func TestLogSinkReopenOfStandardError(t *testing.T) {
	testkit.NoLeak(t)
	var book testkit.Logbook
	s := newLogSink(&book)
	s.Reopen()
	writeLines(s, 0, 1)
	s.Close(testkit.Patience)
	if came, _ := readBack(t, book.String()); came != 1 {
		t.Error(book.String())
	}
}

// When idle, the sink keeps no buffer from a burst.
func TestLogSinkGivesMemoryBack(t *testing.T) {
	testkit.NoLeak(t)
	g := newGate()
	s := newLogSink(g)
	writeLines(s, 0, 2000)
	g.shut.Unlock()
	testkit.Eventually(t, "all is written", func() bool { return bytes.HasSuffix([]byte(g.String()), []byte("\n")) && g.Count("line 1999,") == 1 })
	for i := range 3 { // the buffers of both sides are used in turn
		writeLines(s, 2000+i, 1)
		testkit.Eventually(t, "it is written", func() bool { return g.Count(fmt.Sprintf("line %d,", 2000+i)) == 1 })
	}
	s.Close(testkit.Patience)
	if cap(s.queued) > logSpare {
		t.Errorf("%d bytes are kept", cap(s.queued))
	}
}

func BenchmarkLogSink(b *testing.B) {
	s := newLogSink(new(bytes.Buffer))
	log := newLogger(s)
	b.ReportAllocs()
	for b.Loop() {
		log.Info("stream opened", "from", "127.0.0.1:12345", "to", "127.0.0.1:54321", "stream", 77)
	}
	s.Close(logFlush)
}
