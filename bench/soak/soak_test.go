package soak

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// A short run of the real programs: everything starts at least once, and every sample is
// complete.
func TestRun(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("not with -short, and only on Linux")
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), 5*time.Minute, errors.New("the soak took too long"))
	defer cancel()
	programs, err := lab.Build(ctx, t.TempDir(), lab.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var file, progress bytes.Buffer
	rec, err := Run(ctx, Config{Programs: programs, Time: 15 * time.Second, CSV: &file, Progress: &progress})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		if !strings.Contains(progress.String(), " "+f.name+"\n") {
			t.Errorf("no fault %q", f.name)
		}
	}
	rows, err := csv.NewReader(&file).ReadAll()
	if err != nil || len(rows) < 4 || len(rows[0]) != 5+4*4 {
		t.Fatalf("%v, %d rows", err, len(rows))
	}
	if last := rows[len(rows)-1]; last[1] != "idle" || last[2] == "0" || last[4] == "0" {
		t.Errorf("the last row is %q", last)
	}
	if text := rec.Markdown(); strings.Count(text, "\n| ") < 12 || strings.Contains(text, "| 0 |") {
		t.Errorf("figures are missing:\n%s", text)
	}
	if svg := rec.SVG("how"); strings.Count(svg, "<polyline") != 16 {
		t.Errorf("%d curves", strings.Count(svg, "<polyline"))
	}
}

func TestRunFails(t *testing.T) {
	rec, err := Run(t.Context(), Config{Programs: lab.Programs{Client: "/none", Server: "/none"}, Time: MinTime, CSV: io.Discard, Progress: io.Discard})
	if err == nil {
		t.Fatal("a soak of no programs")
	}
	_ = rec.Markdown() + rec.SVG("") // without samples
}

// steady is an hour in which a program's figures have the values given by value.
func steady(value func(at time.Duration) reading) *Record {
	rec := &Record{Programs: []string{"server"}, LoadBegins: 2 * time.Minute, LoadEnds: 50 * time.Minute}
	for at := time.Duration(0); at <= time.Hour; at += 5 * time.Second {
		rec.add(sample{at: at, read: []reading{value(at)}})
	}
	return rec
}

func TestGrowth(t *testing.T) {
	load := func(at time.Duration) bool { return at > 2*time.Minute && at < 50*time.Minute }
	for name, c := range map[string]struct {
		value func(at time.Duration) reading
		want  []string
	}{
		"none": {func(at time.Duration) reading {
			if load(at) {
				return reading{RSS: 100e6, Goroutines: 1000, FDs: 100}
			}
			return reading{RSS: 90e6, Goroutines: 30, FDs: 10} // memory of the load is kept
		}, nil},
		"memory grows": {func(at time.Duration) reading {
			return reading{RSS: 20e6 + int64(at.Minutes()*1e6), Goroutines: 30, FDs: 10}
		}, []string{"server: RSS, MB 64.0 in the last quarter of the load, was 32.8"}},
		"streams are left": {func(at time.Duration) reading {
			return reading{RSS: 20e6, Goroutines: 30, FDs: 10 + int64(at.Minutes())}
		}, []string{
			"server: descriptors 54 in the last quarter of the load, was 22", "server: descriptors 67 at rest, was 11",
		}},
	} {
		if got := steady(c.value).Growth(); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	short := steady(func(at time.Duration) reading { return reading{FDs: int64(at.Seconds())} })
	short.samples = short.samples[:100]
	if got := short.Growth(); got != nil {
		t.Errorf("of 8 minutes: %q", got)
	}
}
