package lab

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"
)

// helperVariable turns the test binary into a program to be started (process_test.go).
const helperVariable = "LAB_HELPER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperVariable); mode != "" {
		os.Exit(helper(mode))
	}
	os.Exit(m.Run())
}

// deadline limits every wait of a test. It is far more than a loaded machine needs.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// noLeaks fails the test if goroutines are left after all cleanups registered later have
// run.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := WaitFor(ctx, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
		if err != nil {
			stacks := make([]byte, 1<<20)
			t.Errorf("%v: %d before, %d now\n%s", err, before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	})
}

func wait(t *testing.T, what string, cond func() bool) {
	t.Helper()
	if err := WaitFor(deadline(t), what, cond); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
