package app

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"kcptun/std/config"
	"kcptun/std/metrics"
)

// startBackground starts what runs beside the job: writing the counters on SIGUSR1 and to
// the CSV file, serving profiles, and returning memory to the system. All of it ends with
// ctx.
func startBackground(ctx context.Context, cfg *config.Config, env Env) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() {
		metrics.OnSignal(ctx, func() { env.Log.Info(countersLine(env)) })
	})
	if cfg.WritesCounters() {
		wg.Go(func() { metrics.AppendEach(ctx, cfg.SnmpLog, time.Duration(cfg.SnmpPeriod)*time.Second, env.Log) })
	}
	if cfg.Pprof {
		wg.Go(func() { servePprof(ctx, env.Log) })
	}
	if mayCollect() {
		wg.Go(func() { keepHeap(ctx) })
	}
	return &wg
}

// backgroundWait is how long the end of the program waits for what runs in the background.
const backgroundWait = time.Second

// waitBackground waits for what startBackground has started. All of it ends at once, except
// a write of counters that is blocked by a disk or a pipe; the end of the process ends
// that.
func waitBackground(background *sync.WaitGroup, cfg *config.Config, log *slog.Logger) {
	done := make(chan struct{})
	go func() { background.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(backgroundWait):
		log.Warn("snmplog is stuck, its last line is lost", "file", cfg.SnmpLog)
	}
}

// countersLine is every counter in one line.
func countersLine(env Env) string {
	return fmt.Sprintf("%s LogLost:%d Panics:%d Goroutines:%d", metrics.Line(env.Stats), env.sink.Lost(), env.Panics.Caught(), runtime.NumGoroutine())
}
