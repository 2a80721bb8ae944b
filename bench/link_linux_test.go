package main

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"kcptun/bench/report"
)

// Kernel TCP over an emulated link: not faster than the link, no sooner than its
// round trip, and nothing is left.
func TestWAN(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short")
	}
	if err := linkPossible(); err != nil {
		t.Skip(err)
	}
	cells, err := parseCells("20/40/0")
	must(t, err)
	w, err := openWAN(cells[0], 1)
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err) // root without the right, in a container
	}
	must(t, err)
	defer w.close()
	b := &bench{opts: opt(t, "-link", "-time", "2s")}
	tg, l, err := w.plainTarget(patient(t), "cubic")
	must(t, err)
	defer tg.Close()
	must(t, l.ready(patient(t)))
	figures, err := b.overWAN(patient(t), w, l)
	must(t, err)
	seen := make(map[string]float64)
	for _, f := range figures {
		seen[f.name] = f.value
	}
	if rate := seen[report.Goodput]; rate < 1 || rate > 5.1 {
		t.Errorf("goodput %v MB/s over 40 Mbit/s", rate)
	}
	if over := seen["wire/payload steady"]; over < 1.02 || over > 1.2 {
		t.Errorf("%v bytes on the wire for each of payload", over)
	}
	if p50 := seen["echo p50"]; p50 < 20 {
		t.Errorf("an echo in %v ms over 20 ms", p50)
	}
	if _, err := net.DialTimeout("tcp", tg.Addr(), 100*time.Millisecond); err == nil {
		t.Error("the link is reachable from outside")
	}
}

func TestNamespaceEnds(t *testing.T) {
	if err := linkPossible(); err != nil {
		t.Skip(err)
	}
	n, err := newNamespace()
	if err != nil {
		t.Skip(err) // root without the right, in a container
	}
	outside, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	var inside string
	must(t, n.do(func() (err error) {
		inside, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}))
	n.close()
	if inside == outside {
		t.Error("it is the same network")
	}
	if _, err := loopback().listen(patient(t), net.ListenConfig{}, nearHost+":0"); err == nil {
		t.Error("an address of the link outside of it")
	}
}
