package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// A failure ends the churn at once, and the first error is returned.
func TestChurnFails(t *testing.T) {
	l, _ := direct(t)
	tn := &tunnel{load: l, near: wan.Loopback(), programs: lab.Programs{Client: "/nonexistent/client"}}
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

// The pace is limited, however fast the tunnel is.
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

// Of eight concurrent connections, each of eight loads gets one.
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
