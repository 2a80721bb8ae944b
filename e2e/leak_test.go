package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// TestNothingLeaks counts before and after 200 streams. It is not parallel, because all
// programs serve their profiles on the same port.
func TestNothingLeaks(t *testing.T) {
	for name, pick := range ends {
		t.Run(name, func(t *testing.T) {
			p := plan{server: []string{"--closewait", "1"}} // for the connections that nobody closes
			if name == "client" {
				p.client = append(p.client, "--pprof")
			} else {
				p.server = append(p.server, "--pprof")
			}
			tn := start(t, p)
			one := pick(tn)
			if strings.Contains(one.mustLog(t, "pprof is "), "not served") {
				t.Skip("something else on this machine has the port of the profiles")
			}
			churn(t, tn, 3)
			must(t, tn.target.WaitIdle(patient(t)))
			goroutines, files := settled(t, goroutineCount), settled(t, fileCount(one))
			churn(t, tn, 200)
			wait(t, fmt.Sprintf("goroutines to be %d again", goroutines), func() bool { return goroutineCount(t) <= goroutines })
			wait(t, fmt.Sprintf("file descriptors to be %d again", files), func() bool { return fileCount(one)(t) <= files })
			t.Logf("%d goroutines, %d file descriptors", goroutines, files)
		})
	}
}

// churn opens streams of every kind, ten at a time: complete ones, half-closed ones, and
// ones that the application abandons.
func churn(t *testing.T, tn *tunnel, count int) {
	t.Helper()
	for done := 0; done < count; done += 10 {
		var calls []func() error
		for i := range min(10, count-done) {
			switch i % 3 {
			case 0:
				calls = append(calls, func() error { return tn.pull(t, 10*kib) })
			case 1:
				calls = append(calls, func() error { _, err := lab.HalfClose(patient(t), tn.dial, kib, kib); return err })
			case 2:
				calls = append(calls, func() error {
					conn, err := tn.dial(patient(t))
					if err == nil {
						conn.Close()
					}
					return err
				})
			}
		}
		concurrently(t, calls)
	}
}

// settled waits until a count has not fallen for half a second, and returns it. The count
// may rise in the meantime: looking at goroutines starts some, and on a busy machine they
// end late.
func settled(t *testing.T, count func(*testing.T) int) int {
	t.Helper()
	least, since := count(t), time.Now()
	wait(t, "a count to settle", func() bool {
		if now := count(t); now < least {
			least, since = now, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
	return least
}

func fileCount(p *program) func(*testing.T) int {
	return func(t *testing.T) int {
		if runtime.GOOS != "linux" {
			return 0 // unknown on other systems
		}
		n, err := p.FDs()
		must(t, err)
		return n
	}
}

// goroutineCount asks the only program that serves its profiles.
func goroutineCount(t *testing.T) int {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://127.0.0.1:6060/debug/pprof/goroutine?debug=1")
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	n, err := strconv.Atoi(strings.TrimPrefix(line, "goroutine profile: total "))
	must(t, err)
	return n
}

// Thousands of short streams leave neither descriptors nor much memory behind. The test's
// log shows how much.
func TestShortStreamsLeaveLittle(t *testing.T) {
	t.Parallel()
	fullOnly(t)
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := start(t, p)
			tn.exchange(t, 64*kib)
			must(t, tn.target.WaitIdle(patient(t)))
			programs := []*program{tn.client, tn.server}
			var files []int
			var before []int64
			for _, p := range programs {
				files, before = append(files, settled(t, fileCount(p))), append(before, memory(t, p))
			}
			for i := range 3000 {
				if _, err := lab.Echo(patient(t), tn.dial, 1, 100); err != nil {
					t.Fatalf("stream %d: %v", i, err)
				}
			}
			for i, p := range programs {
				most := files[i] + 1 // in mode auto a client may have opened a second session
				wait(t, fmt.Sprintf("the %s to have %d descriptors again", p.name, most), func() bool { return fileCount(p)(t) <= most })
				grown := float64(memory(t, p)-before[i]) / mib
				t.Logf("the %s had %.1f MiB and %d descriptors, and grew by %.1f MiB", p.name, float64(before[i])/mib, files[i], grown)
				if !raceDetector && grown > 12 {
					t.Errorf("the %s grew by %.1f MiB", p.name, grown)
				}
			}
		})
	}
}
