package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// goal is what mode auto is to reach in some cases. The worst of them counts.
type goal struct {
	what   string
	cases  string // a regexp of whole names
	column string
	metric string
	ratio  bool // compares the ratio to the column that this one is compared with
	least  bool // the bound is the least value, not the greatest
	bound  Number
	unit   string
}

// Names of columns and cases in goals.
const (
	auto   = Ours + " auto"
	either = "( up)?" // both directions
)

// goals are the targets of mode auto, with both ends ours unless said. The links of the first
// three are those with which its design began.
var goals = []goal{
	{"goodput, of what the link carries", `(20/100/1|100/100/(0|1|5|10)|200/100/1|100/20/1|200/20/5|100/300/1|20/300/5|100/100/1/jitter=10)` + either, auto, ShareOfCap, false, true, 94, "%"},
	{"the same, losses in bursts", `100/100/5/burst=5` + either, auto, ShareOfCap, false, true, 90, "%"},
	{"bytes on the wire per byte, above the least", `(20/100/1|100/100/(0|1|5|10)|200/100/1|100/20/1|200/20/5|100/300/1|20/300/5|100/100/5/burst=5|100/100/1/jitter=10)` + either, auto, OverIdeal, false, false, 0.04, ""},
	{"first 8 s, 100 ms", `100/100/1` + either, auto, "goodput with start", false, true, 10.7, "MB/s"},
	{"first 8 s, 200 ms", `200/100/1` + either, auto, "goodput with start", false, true, 9.5, "MB/s"},
	{"echo beside bulk, no loss, p50", `100/100/0` + either, auto, "echo p50", false, false, 115, "ms"},
	{"the same, p99", `100/100/0` + either, auto, "echo p99", false, false, 160, "ms"},
	{"echo beside bulk, 1 %, p50", `100/100/1` + either, auto, "echo p50", false, false, 120, "ms"},
	{"the same, p99", `100/100/1` + either, auto, "echo p99", false, false, 250, "ms"},
	{"echo beside bulk, 5 %, p50", `100/100/5` + either, auto, "echo p50", false, false, 130, "ms"},
	{"the same, p99", `100/100/5` + either, auto, "echo p99", false, false, 350, "ms"},
	{"echo beside bulk, 20 Mbit/s, 200 ms, 5 %, p50", `200/20/5` + either, auto, "echo p50", false, false, 250, "ms"},
	{"echo that was there before the bulk, 1 %, p50", `100/100/1 echo first`, auto, "echo p50", false, false, 120, "ms"},
	{"the same, p99", `100/100/1 echo first`, auto, "echo p99", false, false, 250, "ms"},
	{"small messages later than RTT + 100 ms, 200 ms, 5 %", `messages/200/100/5`, auto, Late, false, false, 0.5, "%"},
	{"small messages, 50 ms, 3 %, p95", `messages/50/100/3`, auto, "messages p95", false, false, 55, "ms"},
	{"the same, p99", `messages/50/100/3`, auto, "messages p99", false, false, 75, "ms"},
	{"small messages: bytes on the wire, to those without protection", `messages/.*`, auto, MessageWire, false, false, 3, ""},
	{"policed: goodput, of what the link carries", `.*/police=.*`, auto, ShareOfCap, false, true, 93, "%"},
	{"policed: bytes on the wire per byte", `.*/police=.*`, auto, "wire/payload steady", false, false, 1.12, ""},
	{"a rate that swings: goodput, to TCP BBR", `.*/swing=[^ ]*`, auto, Goodput, true, true, 1, ""},
	{"the same: echo p99", `.*/swing=.*`, auto, "echo p99", false, false, 250, "ms"},
	{"a rate that halves or doubles: goodput, of what the link carries", `.*/(half|double)=.*`, auto, ShareOfCap, false, true, 90, "%"},
	{"the same: echo p99", `.*/(half|double)=.*`, auto, "echo p99", false, false, 250, "ms"},
	{"overtaking and loss: goodput, of what the link carries", `.*/jitter=.*`, auto, ShareOfCap, false, true, 92, "%"},
	{"a narrow uplink or a long queue: goodput, of what the link carries", `.*/(up=|queue=(500|1000)).*`, auto, ShareOfCap, false, true, 95, "%"},
	{"the same: echo p50, at a round trip of 50 ms", `50/.*/(up=|queue=(500|1000)).*`, auto, "echo p50", false, false, 80, "ms"},
	{"a queue of 10 ms: packets dropped in the start", `.*/queue=10` + either, auto, "dropped in the start", false, false, 1000, ""},
	{"a client of kcp-go's own, 5 %: goodput", `100/100/5`, "stock client", Goodput, false, true, 10, "MB/s"},
	{"beside a later tunnel: share of the first", `.* beside tunnel`, auto, "share of both", false, false, 0.67, ""},
	{"beside TCP: share, at least", `.* beside (cubic|bbr)`, auto, "share of both", false, true, 0.25, ""},
	{"beside TCP: share, at most", `.* beside (cubic|bbr)`, auto, "share of both", false, false, 0.75, ""},
	{"idle sessions: CPU of the server, to the original", `idle1000/auto`, Ours, "server cpu", true, false, 0.1, ""},
	{"idle sessions: memory of the server, each", `idle1000/auto`, Ours, "server rss per session", false, false, 40, "kB"},
	{"idle sessions: latest answer, above a round trip", `idle1000/auto`, Ours, LatestAnswer, false, false, 5, "ms"},
	{"CPU time of a byte on loopback, to mode fast3", `modes-.*`, auto, "cpu of both", true, false, 0.8, ""},
}

// goalsTable compares medians with the goals; it is empty if there are figures of none.
func (c *Collection) goalsTable() string {
	g := &Grid{Text: 1, Head: []string{"", "target", "measured", "cases", "missed in"}}
	for _, aim := range goals {
		worst, at, missed, count := aim.worst(slices.Concat(c.link, c.loopback))
		if count == 0 {
			continue
		}
		than := "at most "
		if aim.least {
			than = "at least "
		}
		unit := strings.TrimRight(" "+aim.unit, " ")
		shown := worst.String() + unit
		if count > 1 {
			shown += ", in " + at
		}
		g.Add(aim.what, than+aim.bound.String()+unit, shown, fmt.Sprint(count), strings.Join(missed, ", "))
	}
	if len(g.rows) == 0 {
		return ""
	}
	return g.String()
}

// worst returns the worst median of the goal's cases, the name of that case, the cases in
// which the goal is missed, and how many cases there are.
func (a goal) worst(results []Result) (worst Number, at string, missed []string, count int) {
	match := regexp.MustCompile("^(" + a.cases + ")$")
	for i := range results {
		r := &results[i]
		v := a.value(r)
		if !match.MatchString(r.Case) || v.missing() {
			continue
		}
		if count++; count == 1 || a.better(worst, v) {
			worst, at = v, r.Case
		}
		// A goal has as many digits as a median is shown with.
		if a.better(a.bound, v) && v.String() != a.bound.String() {
			missed = append(missed, r.Case)
		}
	}
	return worst, at, missed, count
}

// value is the goal's figure of a case.
func (a goal) value(r *Result) Number {
	col := r.Column(a.column)
	if col == nil || col.Metric(a.metric) == nil {
		return none
	}
	m := col.Metric(a.metric)
	switch {
	case !a.ratio:
		return m.Median
	case m.Ratio == nil:
		return none
	}
	return m.Ratio.Median
}

// better reports whether one value is better than another.
func (a goal) better(v, than Number) bool {
	if a.least {
		return v > than
	}
	return v < than
}

// GoalsWithout returns the goals that none of the cases has to do with.
func GoalsWithout(cases []string) (lost []string) {
	for _, aim := range goals {
		match := regexp.MustCompile("^(" + aim.cases + ")$")
		if !slices.ContainsFunc(cases, match.MatchString) {
			lost = append(lost, aim.what)
		}
	}
	return lost
}
