package main

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"kcptun/bench/report"
	"kcptun/bench/wan"
)

// Kernel TCP over an emulated link is not faster than the link and not quicker than its
// round trip, and nothing is left behind.
func TestWAN(t *testing.T) {
	for _, way := range []string{wayDown, wayUp} {
		for _, beside := range []string{besideNone, "cubic"} {
			t.Run(way+" "+beside, func(t *testing.T) { tcpOverLink(t, linkRun{way: way, beside: beside}) })
		}
	}
	t.Run("echo first", func(t *testing.T) { tcpOverLink(t, linkRun{way: wayDown, echoFirst: true}) })
}

func tcpOverLink(t *testing.T, r linkRun) {
	if testing.Short() {
		t.Skip("not with -short")
	}
	if err := wan.Possible(); err != nil {
		t.Skip(err)
	}
	c, err := wan.ParseCell("20/40/0")
	must(t, err)
	w, err := wan.Open(c, 1)
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err) // root in a container may lack the right
	}
	must(t, err)
	defer w.Close()
	r.cell, r.time = c, 2*time.Second
	tg, dial, err := w.Target(patient(t), "cubic")
	must(t, err)
	defer tg.Close()
	l := load{dial}
	must(t, l.ready(patient(t)))
	other, closeOther, err := openBeside(patient(t), w, r, nil)
	must(t, err)
	figures, err := r.measure(patient(t), w, l, newFlow(r.way, l, tg), other)
	must(t, closeOther())
	must(t, err)
	seen := make(map[string]float64)
	for _, f := range figures {
		seen[f.name] = f.value
	}
	if rate := seen[report.Goodput]; rate < 1 || rate > 5.1 {
		t.Errorf("goodput %v MB/s over 40 Mbit/s", rate)
	}
	if other, ok := seen["goodput beside it"]; ok != (r.beside != besideNone) || ok && (other <= 0 || other+seen[report.Goodput] > 5.1) {
		t.Errorf("beside it %v MB/s, and that is there: %v", other, ok)
	}
	// What a busy reader has not read yet when the counting begins or ends counts for much in
	// a transfer as short as this.
	if over, ok := seen["wire/payload steady"]; ok && (over < 0.8 || over > 1.3) {
		t.Errorf("%v bytes on the wire for each of payload", over)
	}
	if p50 := seen["echo p50"]; p50 < 20 {
		t.Errorf("an echo in %v ms over 20 ms", p50)
	}
	if _, err := net.DialTimeout("tcp", tg.Addr(), 100*time.Millisecond); err == nil {
		t.Error("the link is reachable from outside")
	}
}
