package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"kcptun/bench/report"
	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// defaultCells has two parts. Rate control was designed with the first ones: near and far,
// narrow and wide, with and without losses, losses in bursts, packets that overtake. It was
// not designed with the others: a policer, a rate that swings by three or by seven, halves or
// doubles, more overtaking, an uplink with a tenth of the downlink's rate, queues of half a
// second, of a second and of 10 ms.
const defaultCells = "20/100/1,100/100/0,100/100/1,100/100/5,100/100/10,200/100/1,100/20/1,200/20/5,100/300/1,20/300/5," +
	"100/100/5/burst=5,100/100/1/jitter=10," +
	"50/50/0/police=64,60/60/0/swing=3,60/70/0/swing=2/low=10,60/80/0/half=4,60/40/0/double=4,100/100/1/jitter=25,50/100/0/up=10,50/50/0/queue=500,50/50/0/queue=1000,50/100/0/queue=10"

// linkConfigs are the settings of the pairs over a link: our self-tuning mode, the
// defaults, and those that people use for speed.
func linkConfigs() []config {
	return []config{
		{name: "auto", mode: "auto", stock: true}, // the peer has no such mode
		{name: "default", stock: true},
		{name: "fast3", mode: "fast3", window: 2048, stock: true},
	}
}

// What a run does over a link: a transfer in one direction, or small messages there and back.
const (
	wayDown     = "down" // from the far end to the near end
	wayUp       = "up"
	wayBoth     = "both" // one after the other, as two cases
	wayMessages = "messages"
)

var ways = []string{wayDown, wayUp, wayBoth, wayMessages}

// linkOpening is how long a round takes besides its transfer, about.
const linkOpening = 300 * time.Millisecond

// tcpVariants are the congestion controls of the kernel to compare with.
var tcpVariants = []string{"cubic", "bbr"}

// linkRun is what is measured over a link: a transfer beside nothing or another one, or small
// messages at a steady pace.
type linkRun struct {
	cell      wan.Cell
	way       string
	beside    string
	echoFirst bool // the echoes' stream opens before the transfer
	time      time.Duration
}

// name identifies the run in files of figures.
func (r linkRun) name() string {
	name := r.cell.Name
	if r.way == wayMessages {
		return "messages/" + name
	}
	if r.way == wayUp {
		name += " up"
	}
	if r.beside != besideNone {
		name += " beside " + r.beside
	}
	if r.echoFirst {
		name += " echo first"
	}
	return name
}

func (r linkRun) about() string {
	if r.way == wayMessages {
		return fmt.Sprintf("%d messages of %d bytes a second there and back, %s", messageRate, messageSize, r.cell.About())
	}
	about := map[string]string{wayDown: "download", wayUp: "upload"}[r.way]
	switch r.beside {
	case besideNone:
	case besideTunnel:
		about += " beside one through another tunnel, which begins later"
	default:
		about += " beside one of TCP " + r.beside + ", which begins later"
	}
	if r.echoFirst {
		about += " that begins after its echoes"
	}
	return about + ", " + r.cell.About()
}

// takes is how long a round of a column takes, about.
func (r linkRun) takes() time.Duration {
	d := r.time + linkOpening
	if r.echoFirst {
		d += echoLead
	}
	return d
}

// linkCases returns a case for each cell and direction.
func (b *bench) linkCases() []testCase {
	var all []testCase
	for _, c := range b.opts.cells {
		for _, way := range []string{wayDown, wayUp} {
			if b.opts.way == way || b.opts.way == wayBoth {
				run := linkRun{cell: c, way: way, beside: b.opts.beside, echoFirst: b.opts.echoFirst, time: b.opts.linkTime()}
				all = append(all, b.linkCase(run, b.opts.columns))
			}
		}
		if b.opts.way == wayMessages {
			all = append(all, b.linkCase(linkRun{cell: c, way: wayMessages, time: b.opts.messagesTime()}, b.opts.columns))
		}
	}
	return all
}

// linkCase returns the case of a run, with the columns whose name matches; nil: all.
func (b *bench) linkCase(r linkRun, columns *regexp.Regexp) testCase {
	tc := testCase{name: r.name(), about: r.about(), kind: report.Link, takes: r.takes()}
	for _, cfg := range linkConfigs() {
		tc.columns = append(tc.columns, b.overLink(r, cfg)...)
	}
	for _, name := range tcpVariants {
		tc.columns = append(tc.columns, b.plainTCP(r, name))
	}
	if r.way == wayDown {
		tc.columns = append(tc.columns, b.stockOverLink(r))
	}
	if columns != nil {
		tc.columns = slices.DeleteFunc(tc.columns, func(col contender) bool { return !columns.MatchString(col.name) })
	}
	for i, col := range tc.columns { // the column to compare with may have been left out
		if !slices.ContainsFunc(tc.columns, func(other contender) bool { return other.name == col.against && other.measure != nil }) {
			tc.columns[i].against = ""
		}
	}
	return tc
}

// overLink returns the columns of our pair and of the peer's, which does not have all
// modes.
func (b *bench) overLink(r linkRun, cfg config) []contender {
	column := func(name, against string, programs lab.Programs) contender {
		col := contender{name: name + " " + cfg.name, against: against, flags: cfg.shown()}
		if name == report.Peer && programs == (lab.Programs{}) {
			col.note = "no peer is installed"
			return col
		}
		col.measure = func(ctx context.Context, round int) ([]figure, error) {
			return b.tunnelOverLink(ctx, r, cfg, programs, uint64(round))
		}
		return col
	}
	if cfg.mode == "auto" {
		return []contender{column(report.Ours, "tcp bbr", b.ours)}
	}
	return []contender{column(report.Ours, report.Peer+" "+cfg.name, b.ours), column(report.Peer, "", b.peer)}
}

// stockOverLink returns the column of a client of kcp-go's own with our server in mode auto.
func (b *bench) stockOverLink(r linkRun) contender {
	cfg := linkConfigs()[0]
	cfg.kcpgo = true
	measure := func(ctx context.Context, round int) ([]figure, error) {
		return b.tunnelOverLink(ctx, r, cfg, b.ours, uint64(round))
	}
	return contender{name: "stock client", flags: append(cfg.shown(), "(server)"), measure: measure}
}

func (b *bench) tunnelOverLink(ctx context.Context, r linkRun, cfg config, programs lab.Programs, seed uint64) ([]figure, error) {
	w, err := wan.Open(r.cell, seed)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	t, err := openTunnel(ctx, w.Near, w.Far, programs, cfg)
	if err != nil {
		return nil, err
	}
	beside, closeBeside, err := openBeside(ctx, w, r, func() (*tunnel, error) {
		return openTunnel(ctx, w.Near, w.Far, programs, cfg)
	})
	if err != nil {
		return t.measured(nil, err)
	}
	before, err := t.usage()
	if err != nil {
		return t.measured(nil, errors.Join(err, closeBeside()))
	}
	figures, err := r.measure(ctx, w, t.load, newFlow(r.way, t.load, t.served), beside)
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
func (b *bench) plainTCP(r linkRun, congestion string) contender {
	col := contender{name: "tcp " + congestion}
	if wan.Possible() != nil || !wan.HasCongestion(congestion) {
		col.note = "this kernel has no " + congestion
		return col
	}
	col.measure = func(ctx context.Context, round int) ([]figure, error) {
		w, err := wan.Open(r.cell, uint64(round))
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
		beside, closeBeside, err := openBeside(ctx, w, r, func() (*tunnel, error) {
			return openTunnel(ctx, w.Near, w.Far, b.ours, linkConfigs()[0])
		})
		if err != nil {
			return nil, err
		}
		figures, err := r.measure(ctx, w, l, newFlow(r.way, l, target), beside)
		return figures, errors.Join(err, closeBeside())
	}
	return col
}
