package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"kcptun/bench/report"
	"kcptun/e2e/lab"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patient returns the context of one wait, with far more time than a loaded machine needs.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func opt(t *testing.T, args ...string) options {
	t.Helper()
	o, err := parse(args, io.Discard)
	must(t, err)
	return o
}

// The bench starts itself as a target and as a stock client, which in this test is the test
// binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == apartCommand || os.Args[1] == stockCommand) {
		if err := command(os.Args[1:]); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// The whole bench, with our pair as its own peer.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short")
	}
	if runtime.GOOS != "linux" {
		t.Skip("measuring processes needs Linux")
	}
	dir := t.TempDir()
	ours, err := lab.Build(patient(t), dir, lab.BuildOptions{})
	must(t, err)
	file := filepath.Join(dir, "figures.json")
	opts := opt(t, "-short", "-rounds", "2", "-size", "2", "-run", "^(down1|down1-mixed|streams200|clients8up|churn)/aes$", "-json", file, "-peer-lacks", "",
		"-client", ours.Client, "-server", ours.Server, "-peer-client", ours.Client, "-peer-server", ours.Server)
	var out bytes.Buffer
	if err := run(patient(t), opts, &out, io.Discard); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	doc, err := report.ReadDocument(file)
	must(t, err)
	if len(doc.Results) != 5 || len(doc.Result("down1-mixed/aes").Columns) != 3 {
		t.Fatalf("%d results:\n%s", len(doc.Results), &out)
	}
	figure := func(name, metric string) report.Number {
		return doc.Result(name).Column(report.Ours).Metric(metric).Median
	}
	if one, eight := figure("down1/aes", "client peak rss"), figure("clients8up/aes", "client peak rss"); eight < 4*one {
		t.Errorf("8 clients take %v MB, one %v", eight, one)
	}
	// Within a second the server cannot notice that the sessions of guests are dead.
	if came, has := figure("churn/aes", "sessions that came and went"), figure("churn/aes", "server's sessions after"); came < 10 || has != 50+came {
		t.Errorf("%v sessions came and went, the server has %v", came, has)
	}
	m := doc.Results[0].Column(report.Ours).Metric(report.Throughput)
	if m == nil || len(m.Rounds) != 2 || m.Min <= 0 || m.Ratio == nil || !strings.Contains(out.String(), "throughput") {
		t.Errorf("no throughput: %+v\n%s", m, &out)
	}
	text, err := os.ReadFile(file)
	must(t, err)
	if name, _ := os.Hostname(); bytes.Contains(text, []byte(dir)) || len(name) > 4 && bytes.Contains(text, []byte(name)) {
		t.Errorf("the file names this machine or its folders:\n%s", text)
	}
	svg := filepath.Join(dir, "picture.svg")
	must(t, plotCommand([]string{file, "-o", svg}, io.Discard))
	if text, err := os.ReadFile(svg); err != nil || !bytes.HasPrefix(text, []byte("<svg ")) {
		t.Errorf("%v, or no picture: %.100s", err, text)
	}
}

// If a pair does not work, its rounds fail, and the bench says so at the end.
func TestFailingPair(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("not with -short, and only on Linux")
	}
	bad, err := os.Executable() // ends at once because of unknown flags
	must(t, err)
	opts := opt(t, "-short", "-rounds", "1", "-run", "^echo/aes$", "-client", bad, "-server", bad, "-peer-client", bad, "-peer-server", bad)
	var out bytes.Buffer
	err = run(patient(t), opts, &out, io.Discard)
	if !errors.Is(err, errFailures) || strings.Count(out.String(), "FAILED") != 2 {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestOptions(t *testing.T) {
	for _, args := range []string{
		"-client x", "-peer-server x", "-run (", "-link -cells 1/2", "-link -cells 1/2/x",
		"-link -cells 1/2/60",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: taken", args)
		}
	}
	o := opt(t, "-rounds", "3", "-json", "/a/b", "-peer-client", "/c", "-peer-server", "/d")
	if o.given["rounds"] != "3" || o.given["peer-client"] != "given" || o.given["json"] != "" {
		t.Errorf("remembers %v", o.given)
	}
	if a, b := opt(t, "-link").rounds, opt(t, "-link", "-rounds", "5").rounds; a != linkRounds || b != 5 {
		t.Errorf("-link has %d rounds, and %d where 5 are asked for", a, b)
	}
	o = opt(t, "-link", "-cells", "20/100/1,200/20/5/3/10/50", "-way", "both", "-columns", "auto|bbr")
	names := columnNames(o)
	names = append(names, columnNames(opt(t, "-link", "-cells", "20/100/1", "-way", "messages", "-columns", "auto|bbr|stock"))...)
	names = append(names, columnNames(opt(t, "-link", "-cells", "20/100/1", "-beside", "bbr", "-columns", "stock"))...)
	names = append(names, columnNames(opt(t, "-link", "-cells", "20/100/1", "-echofirst", "-columns", "auto"))...)
	want := "20/100/1: ours auto,20/100/1: tcp bbr,20/100/1 up: ours auto,20/100/1 up: tcp bbr," +
		"200/20/5/3/10/50: ours auto,200/20/5/3/10/50: tcp bbr,200/20/5/3/10/50 up: ours auto,200/20/5/3/10/50 up: tcp bbr," +
		"messages/20/100/1: ours auto,messages/20/100/1: tcp bbr,20/100/1 beside bbr: stock client,20/100/1 echo first: ours auto"
	if strings.Join(names, ",") != want {
		t.Errorf("columns %q", names)
	}
}

// columnNames are the columns of all cases over links, each after its case.
func columnNames(o options) (names []string) {
	for _, c := range (&bench{opts: o}).linkCases() {
		for _, col := range c.columns {
			names = append(names, c.name+": "+col.name)
		}
	}
	return names
}

func TestCases(t *testing.T) {
	b := &bench{opts: opt(t), peer: lab.Programs{Client: "c", Server: "s"}}
	b.sizes = b.opts.sizes()
	seen := make(map[string]testCase)
	for _, c := range b.cases() {
		if _, twice := seen[c.name]; twice {
			t.Errorf("%s is there twice", c.name)
		}
		seen[c.name] = c
	}
	peer := func(name string) contender { return seen[name].columns[1] }
	if c := peer("down1/null"); c.measure != nil || !strings.Contains(c.note, "not in the peer") {
		t.Errorf("null is measured: %+v", c)
	}
	if c := peer("down1/aes-128-gcm-nofec"); c.measure == nil || !strings.Contains(strings.Join(c.flags, " "), "--crypt aes --mode") {
		t.Errorf("aes-128-gcm is compared with %v", c.flags)
	}
	if c := seen["idle1000/aes"]; c.columns[0].measure == nil || !strings.Contains(strings.Join(c.flags, " "), "--conn 1000") {
		t.Errorf("1,000 sessions: %v", c.flags)
	}
}

// If one of twenty took a second, p99 is that one.
func TestPercentiles(t *testing.T) {
	var times []time.Duration
	for i := range 19 {
		times = append(times, time.Duration(i+1)*time.Millisecond)
	}
	if p := percentiles("", append(times, time.Second)); p[1].value != 1000 {
		t.Errorf("p99 is %v ms", p[1].value)
	}
	if p := percentiles("", times[:1]); p[0].value != 1 || p[1].value != 1 {
		t.Errorf("of one: %v", p)
	}
}
