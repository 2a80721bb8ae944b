package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// What fails ends the churn at once, and the error is the first one's.
func TestChurnFails(t *testing.T) {
	l, _ := direct(t)
	tn := &tunnel{load: l, near: loopback(), programs: lab.Programs{Client: "/nonexistent/client"}}
	var came coming
	begin := time.Now()
	err := tn.comeAndGo(patient(t), sizes{churn: time.Minute, guests: 5, guestLife: time.Second}, &came)
	if err == nil || !strings.Contains(err.Error(), "comes and goes") || strings.Contains(err.Error(), "context canceled") {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("after %v", took)
	}
}

// The pace has a bound, whatever the tunnel could do.
func TestChurnPace(t *testing.T) {
	l, _ := direct(t)
	tn := &tunnel{load: l}
	var came coming
	const d = 20 * streamPace
	must(t, tn.streams(patient(t), sizes{}, time.Now().Add(d), &came))
	if n := came.streams.Load(); n < 1 || n > 21 {
		t.Errorf("%d streams in %v", n, d)
	}
}

// A server's own count, as both pairs log it.
func TestSessionCount(t *testing.T) {
	for _, line := range []string{
		"2026/11/22 19:06:14 signal.go:26: KCP SNMP:&{BytesSent:10 PassiveOpens:3 CurrEstab:1234 InErrs:5}",
		`time=2026-11-22T19:18:37Z level=INFO msg="KCP SNMP: BytesSent:10 PassiveOpens:3 CurrEstab:1234 InErrs:5"`,
	} {
		if m := sessionCount.FindStringSubmatch(line); m == nil || m[1] != "1234" {
			t.Errorf("%q in %s", m, line)
		}
	}
}

// Of eight connections made at once each of eight loads gets one.
func TestInTurn(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[int]int)
	var loads []load
	for i := range 8 {
		loads = append(loads, load{dial: func(context.Context) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			seen[i]++
			return nil, nil
		}})
	}
	dial := inTurn(loads)
	must(t, parallel(16, 8, func(int) error { _, err := dial(t.Context()); return err }))
	for i := range loads {
		if seen[i] != 2 {
			t.Errorf("load %d got %d of 16", i, seen[i])
		}
	}
}
