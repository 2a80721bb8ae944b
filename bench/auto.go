package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"kcptun/bench/report"
	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// targetRounds are the rounds of -targets by default.
const targetRounds = 5

// idleRounds bounds the rounds of an idle case among the targets, of which one takes longer
// than the others and differs less.
const idleRounds = 2

// targetCells are measured in both directions: those for which docs/performance.md says how
// much of the link mode auto is to use.
const targetCells = "20/100/1,100/100/0,100/100/1,100/100/5,100/100/10,200/100/1,100/20/1,200/20/5,100/300/1,20/300/5," +
	"100/100/5/burst=5,100/100/1/jitter=10,50/50/0/police=64,60/60/0/swing=3,50/50/0/queue=500,50/100/0/queue=10"

// Other links among the targets: downloads only, over narrow uplinks, with more overtaking, a
// queue of a second and rates that change; downloads that begin beside echoes; small messages;
// and two transfers at a time.
const (
	downCells    = "100/100/1/jitter=25,50/100/0/up=10,50/100/0/up=2,50/50/0/queue=1000,60/80/0/half=4,60/40/0/double=4,60/70/0/swing=2/low=10"
	firstCells   = "100/100/1"
	messageCells = "200/100/5,50/100/3"
	sharedCell   = "100/100/0"
)

// besideTime is how long a transfer beside another one takes: the later one needs some
// seconds for its share.
const besideTime = 10 * time.Second

// targetColumns are the columns of a link among the targets, besides mode auto.
var targetColumns = map[string]string{"100/100/5": "stock client", "60/60/0/swing=3": "tcp bbr", "60/70/0/swing=2/low=10": "tcp bbr"}

// targetCases returns the cases for which mode auto has targets, the most important first.
func (b *bench) targetCases() []testCase {
	var runs []linkRun
	for _, way := range []string{wayDown, wayUp} {
		runs = append(runs, b.runsOver(targetCells, linkRun{way: way, time: b.opts.linkTime()})...)
	}
	runs = append(runs, b.runsOver(downCells, linkRun{way: wayDown, time: b.opts.linkTime()})...)
	runs = append(runs, b.runsOver(firstCells, linkRun{way: wayDown, echoFirst: true, time: b.opts.linkTime()})...)
	runs = append(runs, b.runsOver(messageCells, linkRun{way: wayMessages, time: b.opts.messagesTime()})...)
	for _, beside := range append([]string{besideTunnel}, tcpVariants...) {
		runs = append(runs, b.runsOver(sharedCell, linkRun{way: wayDown, beside: beside, time: min(besideTime, 2*b.opts.linkTime())})...)
	}
	var all []testCase
	for _, r := range runs {
		columns := b.opts.columns
		if columns == nil {
			columns = columnsOf(r)
		}
		all = append(all, b.linkCase(r, columns))
	}
	return append(all, b.autoCases()...)
}

// columnsOf matches the columns of a run unless -columns chooses others.
func columnsOf(r linkRun) *regexp.Regexp {
	names := []string{report.Ours + " auto"}
	if also, ok := targetColumns[r.name()]; ok {
		names = append(names, also)
	}
	return regexp.MustCompile("^(" + strings.Join(names, "|") + ")$")
}

// runsOver returns a run like r for each cell of a list, which is one of the constants above.
func (b *bench) runsOver(cells string, r linkRun) []linkRun {
	parsed, err := wan.ParseCells(words(cells))
	if err != nil {
		panic(err)
	}
	var runs []linkRun
	for _, r.cell = range parsed {
		runs = append(runs, r)
	}
	return runs
}

// autoCases are the cases of mode auto on loopback: what a byte costs beside mode fast3, and
// what idle sessions cost beside the peer's.
func (b *bench) autoCases() []testCase {
	bulk := b.bulkScenarios()
	all := []testCase{b.modes(bulk[0]), b.modes(bulk[1])}
	return append(all, b.idleAuto(slices.Max(b.sizes.sessions)))
}

// autoConfig is mode auto without compression. It chooses windows and error correction.
var autoConfig = config{name: "auto", crypt: "aes", mode: "auto"}

// modes returns a case that compares mode auto with fast3, both of ours, on loopback.
func (b *bench) modes(s scenario) testCase {
	bare := standard
	bare.name, bare.fec = "fast3 without FEC", false
	tc := testCase{name: "modes-" + s.name + "/aes", about: s.about + ", in mode auto and in mode fast3", kind: report.Loopback, takes: loopbackTakes}
	auto := autoConfig
	tc.profile, tc.move = &auto, s.move
	for _, c := range []config{auto, {name: "fast3", crypt: standard.crypt, mode: standard.mode, window: standard.window, fec: true}, bare} {
		col := b.contender(report.Ours+" "+c.name, "", b.ours, s, c)
		if col.flags = c.shown(); c.mode == auto.mode {
			col.against = report.Ours + " fast3"
		}
		tc.columns = append(tc.columns, col)
	}
	return tc
}

// loopbackTakes is how long a bulk transfer on loopback takes with everything, about.
const loopbackTakes = 2 * time.Second

// idleAuto returns a case of idle sessions in mode auto. The peer's have its default mode.
func (b *bench) idleAuto(n int) testCase {
	about := fmt.Sprintf("%d sessions with one idle stream each, ours in mode auto, the peer's in mode fast", n)
	s := scenario{name: fmt.Sprintf("idle%d", n), about: about, run: idleSessions(n)}
	auto, fast := autoConfig, resting(n)
	auto.conn = n
	tc := testCase{name: s.name + "/" + auto.name, about: about, kind: report.Loopback, rounds: idleRounds}
	tc.takes = b.sizes.settle + b.sizes.window + 2*time.Second
	ours, peer := b.contender(report.Ours, report.Peer, b.ours, s, auto), b.contender(report.Peer, "", b.peer, s, fast)
	ours.flags, peer.flags = auto.shown(), fast.shown()
	if (b.peer == lab.Programs{}) {
		ours.against, peer.note, peer.measure = "", "no peer is installed", nil
	}
	tc.columns = []contender{ours, peer}
	return tc
}

// estimate is how long the rounds of some cases take, about.
func estimate(cases []testCase, rounds int) (total time.Duration) {
	for _, c := range cases {
		total += c.estimate(rounds)
	}
	return total
}

// estimate is how long the rounds of a case take, about; 0: it is not known.
func (c testCase) estimate(rounds int) time.Duration {
	columns := 0
	for _, col := range c.columns {
		if col.measure != nil {
			columns++
		}
	}
	return time.Duration(c.limit(rounds)*columns) * c.takes
}

// limit is how many rounds of a case are measured, of so many asked for.
func (c testCase) limit(rounds int) int {
	if c.rounds > 0 {
		return min(c.rounds, rounds)
	}
	return rounds
}
