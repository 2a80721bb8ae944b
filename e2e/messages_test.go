package e2e_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// BenchmarkMessages measures what a game experiences: 30 messages of 64 bytes a second,
// there and back, at 200 ms and with 5 % loss in each direction. late is the share that
// took 100 ms more than the round trip, because a lost message holds up those after it. One
// iteration is one message.
func BenchmarkMessages(b *testing.B) {
	const (
		size  = 64
		every = time.Second / 30
		delay = 100 * time.Millisecond
		late  = 2*delay + 100*time.Millisecond
	)
	for _, c := range []struct {
		name  string
		flags []string
	}{
		{"fast", nil},
		{"fast3", []string{"--mode", "fast3"}},
		{"fast3-3+2", []string{"--mode", "fast3", "--ds", "3", "--ps", "2"}},
		{"auto", []string{"--mode", "auto"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			n, err := lab.StartNetwork(b.Context(), lab.NetworkConfig{
				Programs: programs, Server: c.flags, Client: c.flags, Seed: 1, Fault: lab.Fault{Delay: delay, Loss: 0.05},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := n.Close(); err != nil {
					b.Error(err)
				}
			})
			ctx, cancel := context.WithTimeout(b.Context(), time.Duration(b.N)*every+patience)
			defer cancel()
			times, err := lab.Messages(ctx, n.Dial, b.N, size, every)
			if err != nil {
				b.Fatal(n.Explain(err))
			}
			report(b, times, late)
		})
	}
}

// report reports quantiles of times, and the share above late.
func report(b *testing.B, times []time.Duration, late time.Duration) {
	above := 0
	for _, t := range times {
		if t > late {
			above++
		}
	}
	slices.Sort(times)
	at := func(q int) float64 { return float64(times[(len(times)-1)*q/100].Microseconds()) / 1000 }
	b.ReportMetric(100*float64(above)/float64(len(times)), "late-%")
	b.ReportMetric(at(50), "p50-ms")
	b.ReportMetric(at(95), "p95-ms")
	b.ReportMetric(at(99), "p99-ms")
	b.ReportMetric(0, "ns/op") // the pace is set by the benchmark
}
