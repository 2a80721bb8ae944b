// Package e2e_test runs the real commands: the two programs, and an older release of them
// if one is installed.
package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// programs are the programs under test, built once.
var programs lab.Programs

func TestMain(m *testing.M) {
	if role := os.Getenv(roleLacking); role != "" {
		fmt.Fprintln(os.Stderr, runLacking(role))
		os.Exit(1)
	}
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		atOnce := 4 * runtime.GOMAXPROCS(0) // nearly all of these tests wait: for timers of the programs, or for the end of an outage
		if raceDetector {
			atOnce /= 2 // it takes several times the work
		}
		if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
			panic(err)
		}
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kcptun-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // with -race and an empty cache, a build takes one
	defer cancel()
	if programs, err = lab.Build(ctx, dir, lab.BuildOptions{Race: raceDetector}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// The results of this package are not taken from the cache if the programs have changed.
func TestSources(t *testing.T) { must(t, lab.LookAtSources("..")) }

// The amounts of data moved: enough for thousands of packets and several windows.
const (
	kib = 1 << 10
	mib = 1 << 20
)

// patience limits every wait. It is far more than a loaded machine needs, so it is only
// reached if something never happens.
const patience = 60 * time.Second

var errPatience = errors.New("it took longer than the test's patience")

// patient returns the context of one wait. It works in cleanups, too.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errPatience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wait waits until cond is true.
func wait(t *testing.T, what string, cond func() bool) {
	t.Helper()
	must(t, lab.WaitFor(patient(t), what, cond))
}

// fullOnly skips, under -short, cases that take long or add little.
func fullOnly(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short")
	}
}

// shortly returns the context of one attempt among many.
func shortly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), 5*time.Second, errors.New("this try took too long"))
	t.Cleanup(cancel)
	return ctx
}
