package main

import (
	"context"
	"errors"
	"slices"

	"kcptun/bench/report"
	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// defaultCells has two parts. Rate control was designed with the first ones: near and far,
// narrow and wide, with and without losses, losses in bursts, packets that overtake. It was
// not designed with the others: a policer, a rate that swings, halves or doubles, more
// overtaking, an uplink with a tenth of the downlink's rate, a queue of half a second and
// one of 10 ms.
const defaultCells = "20/100/1,100/100/0,100/100/1,100/100/5,100/100/10,200/100/1,100/20/1,200/20/5,100/300/1,20/300/5," +
	"100/100/5/burst=5,100/100/1/jitter=10," +
	"50/50/0/police=64,60/60/0/swing=3,60/80/0/half=4,60/40/0/double=4,100/100/1/jitter=25,50/100/0/up=10,50/50/0/queue=500,50/100/0/queue=10"

// linkConfigs are the settings of the pairs over a link: our self-tuning mode, the
// defaults, and those that people use for speed.
func linkConfigs() []config {
	return []config{
		{name: "auto", mode: "auto", stock: true}, // the peer has no such mode
		{name: "default", stock: true},
		{name: "fast3", mode: "fast3", window: 2048, stock: true},
	}
}

// Directions of a transfer.
const (
	wayDown = "down" // from the far end to the near end
	wayUp   = "up"
	wayBoth = "both" // one after the other, as two cases
)

var ways = []string{wayDown, wayUp, wayBoth}

// tcpVariants are the congestion controls of the kernel to compare with.
var tcpVariants = []string{"cubic", "bbr"}

// linkCases returns a case for each cell and direction.
func (b *bench) linkCases() []testCase {
	var all []testCase
	for _, c := range b.opts.cells {
		for _, way := range []string{wayDown, wayUp} {
			if b.opts.way == way || b.opts.way == wayBoth {
				all = append(all, b.linkCase(c, way))
			}
		}
	}
	return all
}

func (b *bench) linkCase(c wan.Cell, way string) testCase {
	tc := testCase{name: c.Name, about: "download, " + c.About()}
	if way == wayUp {
		tc.name, tc.about = c.Name+" up", "upload, "+c.About()
	}
	for _, cfg := range linkConfigs() {
		tc.columns = append(tc.columns, b.overLink(c, way, cfg)...)
	}
	for _, name := range tcpVariants {
		tc.columns = append(tc.columns, b.plainTCP(c, way, name))
	}
	if b.opts.columns != nil {
		tc.columns = slices.DeleteFunc(tc.columns, func(col contender) bool { return !b.opts.columns.MatchString(col.name) })
	}
	for i, col := range tc.columns { // the column to compare with may have been left out
		if !slices.ContainsFunc(tc.columns, func(other contender) bool { return other.name == col.against }) {
			tc.columns[i].against = ""
		}
	}
	return tc
}

// overLink returns the columns of our pair and of the peer's, which does not have all
// modes.
func (b *bench) overLink(c wan.Cell, way string, cfg config) []contender {
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
			return b.tunnelOverLink(ctx, c, way, cfg, programs, uint64(round))
		}
		return col
	}
	if cfg.mode == "auto" {
		return []contender{column(report.Ours, "", b.ours)}
	}
	return []contender{column(report.Ours, report.Peer, b.ours), column(report.Peer, "", b.peer)}
}

func (b *bench) tunnelOverLink(ctx context.Context, c wan.Cell, way string, cfg config, programs lab.Programs, seed uint64) ([]figure, error) {
	w, err := wan.Open(c, seed)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	t, err := openTunnel(ctx, w.Near, w.Far, programs, cfg)
	if err != nil {
		return nil, err
	}
	beside, closeBeside, err := b.openBeside(ctx, w, way, func() (*tunnel, error) {
		return openTunnel(ctx, w.Near, w.Far, programs, cfg)
	})
	if err != nil {
		return t.measured(nil, err)
	}
	before, err := t.usage()
	if err != nil {
		return t.measured(nil, errors.Join(err, closeBeside()))
	}
	figures, err := b.overWAN(ctx, w, t.load, newFlow(way, t.load, t.served), beside)
	after, errUsage := t.usage()
	if err == nil && errUsage == nil {
		spent := after.spent(before)
		figures = append(figures, perEnd("cpu", "s", [2]float64{spent[0].Seconds(), spent[1].Seconds()})...)
		figures = append(figures, figure{"cpu of both", "s", (spent[0] + spent[1]).Seconds()})
	}
	// The transfer is cut off here: asked to stop, the ends would wait for it for seconds
	// in each round.
	return t.measured(figures, errors.Join(err, errUsage, t.kill(), closeBeside()))
}

// kill ends the programs at once.
func (t *tunnel) kill() error {
	var errs []error
	for _, p := range slices.Concat(t.clients, t.ends()[1]) {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}

// plainTCP measures the kernel's own TCP without a tunnel.
func (b *bench) plainTCP(c wan.Cell, way, congestion string) contender {
	col := contender{name: "tcp " + congestion}
	if wan.Possible() != nil || !wan.HasCongestion(congestion) {
		col.note = "this kernel has no " + congestion
		return col
	}
	col.measure = func(ctx context.Context, round int) ([]figure, error) {
		w, err := wan.Open(c, uint64(round))
		if err != nil {
			return nil, err
		}
		defer w.Close()
		target, dial, err := w.Target(ctx, congestion)
		if err != nil {
			return nil, err
		}
		defer target.Close()
		l := load{dial}
		if err := l.ready(ctx); err != nil {
			return nil, err
		}
		beside, closeBeside, err := b.openBeside(ctx, w, way, func() (*tunnel, error) {
			return openTunnel(ctx, w.Near, w.Far, b.ours, linkConfigs()[0])
		})
		if err != nil {
			return nil, err
		}
		figures, err := b.overWAN(ctx, w, l, newFlow(way, l, target), beside)
		return figures, errors.Join(err, closeBeside())
	}
	return col
}
