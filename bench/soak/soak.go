package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"kcptun/e2e/lab"
)

// Config says what to run and for how long.
type Config struct {
	Programs lab.Programs
	Time     time.Duration // duration of the whole run, at least MinTime
	CSV      io.Writer     // gets one row per sample, as soon as it is taken
	Progress io.Writer     // gets one line per fault
}

// MinTime is the shortest possible run.
const MinTime = 10 * time.Second

// Parts of the whole run.
const (
	freshShare = 30 // before the load: a thirtieth
	idleShare  = 6  // after the load: a sixth
)

// modes are the modes of the tunnels that run side by side, one for each engine.
var modes = []string{"auto", "fast3"}

// run is one run of the soak.
type run struct {
	cfg    Config
	sites  []*site
	begin  time.Time
	record *Record
}

// Run starts the tunnels and returns what was recorded, even together with an error: of the
// programs, wrong data, or the end of ctx.
func Run(ctx context.Context, cfg Config) (rec *Record, err error) {
	r := &run{cfg: cfg, begin: time.Now(), record: new(Record)}
	defer func() { rec, err = r.record, errors.Join(err, r.close()) }()
	for _, mode := range modes {
		s, err := openSite(ctx, mode, cfg.Programs, r.step())
		if err != nil {
			return nil, err
		}
		r.sites = append(r.sites, s)
		r.record.Programs = append(r.record.Programs, mode+" client", mode+" server")
	}
	if err := r.header(); err != nil {
		return nil, err
	}
	return nil, r.phases(ctx)
}

// phases runs the three parts: the fresh programs, the load, and the idle time.
func (r *run) phases(ctx context.Context) error {
	fresh, idle := r.cfg.Time/freshShare, r.cfg.Time/idleShare
	sampled, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.samples(sampled); err != nil {
			stop(err)
		}
	})
	err := r.touch(sampled)
	if err == nil {
		err = lab.Sleep(sampled, fresh)
	}
	if err == nil {
		r.record.LoadBegins = time.Since(r.begin)
		err = r.load(sampled, r.cfg.Time-fresh-idle)
	}
	if err == nil {
		r.record.LoadEnds = time.Since(r.begin)
		fmt.Fprintf(r.cfg.Progress, "%v idle\n", r.record.LoadEnds.Round(time.Second))
		err = lab.Sleep(sampled, idle)
	}
	stop(nil)
	wg.Wait()
	if err == nil {
		err = r.touch(ctx)
	}
	return err
}

// load runs the load of all sites for a while.
func (r *run) load(ctx context.Context, length time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(length, func() { cancel(errOver) })
	defer timer.Stop()
	var wg sync.WaitGroup
	for _, s := range r.sites {
		for _, work := range s.workers() {
			wg.Go(func() {
				if err := work(ctx); err != nil {
					cancel(fmt.Errorf("mode %s: %w", s.mode, err))
				}
			})
		}
	}
	wg.Go(func() { r.faults(ctx) })
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, errOver) {
		return err
	}
	return nil
}

// errOver ends the load.
var errOver = errors.New("the load is over")

// touch uses each session of each client, to check that the tunnels work at the start and
// still do at the end.
func (r *run) touch(ctx context.Context) error {
	for _, s := range r.sites {
		for range 2 * sessions {
			limited, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
			_, err := lab.Pull(limited, s.Dial, 64<<10, nil)
			cancel()
			if err != nil {
				return s.Explain(fmt.Errorf("mode %s does not work: %w", s.mode, err))
			}
		}
	}
	return nil
}

// step is the duration of each fault and of each guest's stay: 20 s if the run takes 20
// minutes or more.
func (r *run) step() time.Duration {
	return min(max(r.cfg.Time/60, time.Second), 20*time.Second)
}

func (r *run) close() error {
	var errs []error
	for _, s := range r.sites {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
