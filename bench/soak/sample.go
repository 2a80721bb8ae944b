package soak

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kcptun/e2e/lab"
)

// reading holds what a program uses at one moment.
type reading struct {
	RSS        int64 // bytes
	FDs        int64
	Goroutines int64
	CPU        time.Duration // since the program's start
}

// sample is one moment of all programs.
type sample struct {
	at      time.Duration
	fault   string
	read    []reading // in the order of Record.Programs
	streams int64     // ended well
	failed  int64     // failed
	opened  int64     // sessions opened by guests
}

// period is the time between samples.
func (r *run) period() time.Duration {
	return min(max(r.cfg.Time/720, 500*time.Millisecond), 5*time.Second)
}

// samples takes samples until ctx ends. It fails if a program does not answer.
func (r *run) samples(ctx context.Context) error {
	tick := time.NewTicker(r.period())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s, err := r.sample(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			r.record.add(s)
			err = r.row(s)
		}
		if err != nil {
			return err
		}
	}
}

func (r *run) sample(ctx context.Context) (sample, error) {
	s := sample{at: time.Since(r.begin), fault: r.record.faultNow()}
	for _, site := range r.sites {
		for i, p := range site.programs() {
			one, err := read(ctx, p)
			if err != nil {
				return s, fmt.Errorf("the %s of mode %s: %w", [2]string{"client", "server"}[i], site.mode, err)
			}
			s.read = append(s.read, one)
		}
		s.streams += site.streams.Load()
		s.failed += site.failed.Load()
		s.opened += site.opened.Load()
	}
	return s, nil
}

func read(ctx context.Context, p *lab.Process) (r reading, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	counters, err := p.Counters(ctx)
	if err != nil {
		return r, err
	}
	r.Goroutines = counters["Goroutines"]
	if r.RSS, err = p.RSS(); err != nil {
		return r, err
	}
	fds, err := p.FDs()
	if err != nil {
		return r, err
	}
	r.FDs = int64(fds)
	r.CPU, err = p.CPU()
	return r, err
}

// header and row write the CSV file. Each row is written at once, so that an interrupted
// run leaves what it saw.
func (r *run) header() error {
	columns := []string{"seconds", "fault", "streams", "failed", "sessions of guests"}
	for _, name := range r.record.Programs {
		for _, what := range []string{"RSS", "descriptors", "goroutines", "CPU seconds"} {
			columns = append(columns, name+" "+what)
		}
	}
	_, err := fmt.Fprintln(r.cfg.CSV, strings.Join(columns, ","))
	return err
}

func (r *run) row(s sample) error {
	cells := []string{fmt.Sprintf("%.1f", s.at.Seconds()), s.fault, fmt.Sprint(s.streams), fmt.Sprint(s.failed), fmt.Sprint(s.opened)}
	for _, one := range s.read {
		cells = append(cells, fmt.Sprint(one.RSS), fmt.Sprint(one.FDs), fmt.Sprint(one.Goroutines), fmt.Sprintf("%.2f", one.CPU.Seconds()))
	}
	_, err := fmt.Fprintln(r.cfg.CSV, strings.Join(cells, ","))
	return err
}
