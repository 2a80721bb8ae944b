// Package testkit has what the tests of several packages need: waiting with a deadline,
// checks for goroutine leaks, a log to read, and bytes that are the same in each run.
package testkit

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long a test waits for an event: far longer than it takes on a busy
// machine.
const Patience = 20 * time.Second

// step is how often Eventually checks.
const step = 2 * time.Millisecond

// Eventually waits until cond holds.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !cond(); time.Sleep(step) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after %v: %s", Patience, what)
		}
	}
}

// Within returns what arrives on c, and fails if nothing does.
func Within[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Patience):
		t.Fatalf("nothing within %v: %s\n%s", Patience, what, stacks())
		panic("unreachable")
	}
}

// Returns fails the test if f does not return in time.
func Returns(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	Within(t, what, done)
}

// Allocations is testing.AllocsPerRun for a process with other goroutines, whose
// allocations are counted too. What f itself allocates shows up in every attempt.
func Allocations(f func()) float64 {
	least := testing.AllocsPerRun(10, f)
	for range 100 {
		if least == 0 {
			break
		}
		least = min(least, testing.AllocsPerRun(10, f))
	}
	return least
}

// NeedIPv6 skips the test if the machine has no IPv6.
func NeedIPv6(t testing.TB) {
	t.Helper()
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	c.Close()
}

// NoLeak fails the test if it leaves goroutines behind.
func NoLeak(t testing.TB) {
	t.Helper()
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt) // os/signal keeps a goroutine after its first use
	signal.Stop(c)
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(Patience); runtime.NumGoroutine() > before && !t.Failed(); time.Sleep(step) {
			if time.Now().After(deadline) {
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks())
			}
		}
	})
}

func stacks() []byte {
	text := make([]byte, 1<<20)
	return text[:runtime.Stack(text, true)]
}

// Logbook is a log that a test can read while others write to it.
type Logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// NewLog returns a logger and the book that it writes to.
func NewLog() (*slog.Logger, *Logbook) {
	book := new(Logbook)
	return slog.New(slog.NewTextHandler(book, nil)), book
}

// Write never fails.
func (l *Logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is everything written so far.
func (l *Logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Count is how often a text occurs in the log.
func (l *Logbook) Count(text string) int { return strings.Count(l.String(), text) }

// Contains fails the test if text lacks one of the parts.
func Contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

// Lacks fails the test if text contains one of the parts.
func Lacks(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q must not be in:\n%s", p, text)
		}
	}
}

// RandomBytes returns n bytes that are the same in each run.
func RandomBytes(seed uint64, n int) []byte {
	var key [32]byte
	key[0] = byte(seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}
