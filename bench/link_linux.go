package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"kcptun/bench/report"
	"kcptun/e2e/lab"
)

// startShare is the part of a transfer that counts as its start: 2 of 8 s.
const startShare = 4

// linkConfigs are what the pairs run with over a link: what one gets without a flag,
// what is used for speed, and our mode that tunes itself.
func linkConfigs() []config {
	return []config{
		{name: "auto", mode: "auto", stock: true}, // the peer does not have it
		{name: "default", stock: true},
		{name: "fast3", mode: "fast3", window: 2048, stock: true},
	}
}

// linkCases are one case for each cell.
func (b *bench) linkCases() []testCase {
	var all []testCase
	for _, c := range b.opts.cells {
		tc := testCase{name: c.name, about: c.about()}
		for _, cfg := range linkConfigs() {
			tc.columns = append(tc.columns, b.overLink(c, cfg)...)
		}
		for _, name := range tcpVariants {
			tc.columns = append(tc.columns, b.plainTCP(c, name))
		}
		all = append(all, tc)
	}
	return all
}

// overLink are the columns of our pair and the peer's, which does not have all modes.
func (b *bench) overLink(c cell, cfg config) []contender {
	column := func(name, against string, programs lab.Programs) contender {
		col := contender{name: name + " " + cfg.name, flags: cfg.shown()}
		if (programs == lab.Programs{}) {
			col.note = "no peer is installed"
			return col
		}
		if against != "" && b.peer != (lab.Programs{}) {
			col.against = against + " " + cfg.name
		}
		col.measure = func(ctx context.Context, round int) ([]figure, error) {
			return b.tunnelOverLink(ctx, c, cfg, programs, uint64(round))
		}
		return col
	}
	if cfg.mode == "auto" {
		return []contender{column(report.Ours, "", b.ours)}
	}
	return []contender{column(report.Ours, report.Peer, b.ours), column(report.Peer, "", b.peer)}
}

func (b *bench) tunnelOverLink(ctx context.Context, c cell, cfg config, programs lab.Programs, seed uint64) ([]figure, error) {
	w, err := openWAN(c, seed)
	if err != nil {
		return nil, err
	}
	defer w.close()
	t, err := openTunnel(ctx, w.near, w.far, programs, cfg)
	if err != nil {
		return nil, err
	}
	before, err := t.usage()
	if err != nil {
		return t.measured(nil, err)
	}
	figures, err := b.overWAN(ctx, w, t.load)
	after, errUsage := t.usage()
	if err == nil && errUsage == nil {
		spent := after.spent(before)
		figures = append(figures, perEnd("cpu", "s", [2]float64{spent[0].Seconds(), spent[1].Seconds()})...)
	}
	// The transfer was cut off: ends that are asked to stop would wait for it for
	// seconds, of each round.
	return t.measured(figures, errors.Join(err, errUsage, t.kill()))
}

// kill ends the programs at once.
func (t *tunnel) kill() error {
	var errs []error
	for _, p := range slices.Concat(t.clients, t.ends()[1]) {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}

// plainTCP is the kernel's own TCP, without a tunnel.
func (b *bench) plainTCP(c cell, congestion string) contender {
	col := contender{name: "tcp " + congestion}
	if linkPossible() != nil || !hasCongestion(congestion) {
		col.note = "this kernel has no " + congestion
		return col
	}
	col.measure = func(ctx context.Context, round int) ([]figure, error) {
		w, err := openWAN(c, uint64(round))
		if err != nil {
			return nil, err
		}
		defer w.close()
		t, l, err := w.plainTarget(ctx, congestion)
		if err != nil {
			return nil, err
		}
		defer t.Close()
		if err := l.ready(ctx); err != nil {
			return nil, err
		}
		return b.overWAN(ctx, w, l)
	}
	return col
}

// moment is how far a transfer and the link are.
type moment struct {
	at                      time.Time
	payload, wire, backward int64 // bytes; wire are those offered to the link, lost ones too
}

// overWAN pulls for a while, with echoes beside it once the start is over.
func (b *bench) overWAN(ctx context.Context, w *wan, l load) ([]figure, error) {
	var moved atomic.Int64
	now := func() moment {
		return moment{time.Now(), moved.Load(), w.toNear.offered.Load(), w.toFar.offered.Load()}
	}
	total := b.opts.linkTime()
	begin := now()
	lost, dropped := w.toNear.lost.Load(), w.toNear.dropped.Load()
	stop := background(ctx, func(ctx context.Context) error { return l.pull(ctx, endless, &moved) })
	sleep(ctx, total/startShare)
	steady := now()
	limited, cancel := context.WithDeadline(ctx, begin.at.Add(total))
	times, errEcho := l.echoes(limited, 1e6)
	<-limited.Done() // echoes that failed early do not end the transfer
	cancel()
	end := now()
	if err := stop(); err != nil {
		return nil, err
	}
	figures := []figure{
		{report.Goodput, "MB/s", steady.rate(end)},
		{"goodput with start", "MB/s", begin.rate(end)},
		{"wire/payload steady", "", ratio(end.wire-steady.wire, end.payload-steady.payload)},
		{"wire/payload", "", ratio(end.wire-begin.wire, end.payload)},
		{"backward/payload", "", ratio(end.backward-begin.backward, end.payload)},
		{"lost by the link", "packets", float64(w.toNear.lost.Load() - lost)},
		{"dropped by its queue", "packets", float64(w.toNear.dropped.Load() - dropped)},
	}
	if len(times) == 0 {
		return figures, noEchoes(errEcho)
	}
	figures = append(figures, percentiles("echo ", times)...)
	return append(figures, figure{"echoes", "", float64(len(times))}), nil
}

// noEchoes forgives that no echo came back within the time: the table then has
// none. Anything else is a failure.
func noEchoes(err error) error {
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// rate is the goodput between two moments, in MB/s.
func (m moment) rate(end moment) float64 {
	return float64(end.payload-m.payload) / 1e6 / end.at.Sub(m.at).Seconds()
}

func ratio(a, b int64) float64 { return float64(a) / float64(b) }

// about is the cell in words.
func (c cell) about() string {
	text := fmt.Sprintf("round trip %v, %g Mbit/s, %g %% loss each way", c.rtt, c.rate, c.loss)
	if c.burst > 1 {
		text += fmt.Sprintf(" in bursts of %g", c.burst)
	}
	if c.jitter > 0 {
		text += fmt.Sprintf(", jitter up to %v, which reorders", c.jitter)
	}
	return text + fmt.Sprintf(", queue of %v", c.queue)
}
