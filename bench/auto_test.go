package main

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"kcptun/bench/report"
	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// Each target is measured once, of our pair at least, and the whole takes no more than its
// description says.
func TestTargetCases(t *testing.T) {
	b := &bench{opts: opt(t, "-targets"), peer: lab.Programs{Client: "c", Server: "s"}}
	b.sizes = b.opts.sizes()
	seen := make(map[string]string)
	for _, c := range b.targetCases() {
		if seen[c.name] != "" {
			t.Errorf("%s is there twice", c.name)
		}
		for _, col := range c.columns {
			seen[c.name] += col.name + ","
		}
		if !strings.HasPrefix(seen[c.name], report.Ours) || c.estimate(1) == 0 {
			t.Errorf("%s: columns %q, %v", c.name, seen[c.name], c.estimate(1))
		}
	}
	for name, want := range map[string]string{
		"100/100/1": "ours auto,", "100/100/1 up": "ours auto,", "messages/200/100/5": "ours auto,", "100/100/0 beside tunnel": "ours auto,",
		"100/100/5": "ours auto,stock client,", "60/60/0/swing=3": "ours auto,tcp bbr,", "idle1000/auto": "ours,peer,",
		"60/70/0/swing=2/low=10": "ours auto,tcp bbr,", "100/100/1 echo first": "ours auto,", "50/50/0/queue=1000": "ours auto,",
		"60/80/0/half=4": "ours auto,", "60/40/0/double=4": "ours auto,", "100/100/1/jitter=25 up": "",
	} {
		if seen[name] != want {
			t.Errorf("%s: columns %q, want %q", name, seen[name], want)
		}
	}
	if lost := report.GoalsWithout(slices.Collect(maps.Keys(seen))); len(lost) > 0 {
		t.Errorf("nothing measures %q", lost)
	}
	if took := estimate(b.targetCases(), b.opts.rounds); took > 38*time.Minute {
		t.Errorf("they take %v", took)
	}
}

// -resume measures what the file lacks, and what failed. It does not mix two commands.
func TestResume(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	o := opt(t, "-targets", "-resume", "-json", file)
	fresh := func(o options) *report.Document {
		return &report.Document{Kind: report.Targets, Flags: o.given, Rounds: o.rounds, Date: "later"}
	}
	doc := fresh(o)
	must(t, o.continued(doc))
	doc.Date = "earlier"
	doc.Results = []report.Result{{Case: "a"}, {Case: "b", Columns: []report.Column{{Failures: []string{"round 1"}}}}}
	must(t, doc.Write(file))
	doc = fresh(o)
	must(t, o.continued(doc))
	left := missing([]testCase{{name: "a"}, {name: "b"}, {name: "c"}}, doc)
	if len(left) != 2 || left[0].name != "b" || doc.Date != "earlier" {
		t.Errorf("%d cases left, dated %s", len(left), doc.Date)
	}
	for _, args := range [][]string{{"-rounds", "2"}, {"-columns", "bbr"}} {
		o := opt(t, append(args, "-targets", "-resume", "-json", file)...)
		if err := o.continued(fresh(o)); err == nil || !strings.Contains(err.Error(), "another command") {
			t.Errorf("%q: %v", args, err)
		}
	}
	must(t, os.WriteFile(file, []byte("{}"), 0o644))
	if err := o.continued(fresh(o)); err == nil {
		t.Error("any file is taken")
	}
}

// A stock client carries both directions through our server in mode auto.
func TestStockClient(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("not with -short, and only on Linux")
	}
	ours, err := lab.Build(patient(t), t.TempDir(), lab.BuildOptions{})
	must(t, err)
	cfg := linkConfigs()[0]
	cfg.kcpgo = true
	tn, err := openTunnel(patient(t), wan.Loopback(), wan.Loopback(), ours, cfg)
	must(t, err)
	for _, move := range []transfer{down, up} {
		if err := move(patient(t), tn.load, 1e6); err != nil {
			t.Error(tn.explain(err))
		}
	}
	must(t, tn.kill())
	must(t, tn.close())
}

// The figures of messages are the share of late ones, three quantiles, and how their bytes on
// the wire compare with the least.
func TestMessagesFigures(t *testing.T) {
	cell, err := wan.ParseCell("20/40/0")
	must(t, err)
	ln, err := wan.Loopback().Listen(patient(t), net.ListenConfig{}, "127.0.0.1:0")
	must(t, err)
	target := lab.ServeTarget(ln)
	defer target.Close()
	const count = 30
	wire := int64(1000)
	figures, err := messages(patient(t), load{lab.DialTo(target.Addr())}, linkRun{cell: cell, way: wayMessages, time: time.Second}, func() int64 {
		wire += 2 * count * 400
		return wire
	})
	must(t, err)
	var names []string
	for _, f := range figures {
		names = append(names, f.name)
	}
	if got, want := strings.Join(names, ","), report.Late+",messages p50,messages p95,messages p99,"+report.MessageWire; got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
	if got := figures[len(figures)-1].value; got != 2 {
		t.Errorf("twice the least is told as %v of it", got)
	}
}

// Where each case is known to take some time, the list says how long all take together.
func TestListTellsTheTime(t *testing.T) {
	var out strings.Builder
	must(t, answer(t, "-targets -list -rounds 1 -run ^20/100/1$", &out))
	if got := out.String(); !strings.Contains(got, "8 s: download") || !strings.Contains(got, "rounds: 1\n") {
		t.Errorf("%s", got)
	}
	out.Reset()
	must(t, answer(t, "-list -run echo", &out))
	if got := out.String(); strings.Contains(got, "about ") {
		t.Errorf("%s", got)
	}
}
