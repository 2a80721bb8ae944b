package arq

import (
	"math/rand/v2"
	"testing"
	"time"
)

// shares are the bytes per second of two downloads over one bottleneck, of which the
// second begins later, in windows of time since then.
func shares(mbit float64, rtt, queue, later time.Duration, windows []time.Duration, seed uint64) (out [][2]float64) {
	s := new(sim)
	down := &wire{sim: s, rnd: rand.New(rand.NewPCG(seed, 1)), delay: rtt / 2, rate: mbit * 1e6 / 8, queue: queue}
	var clients [2]*end
	for i := range clients {
		up := &wire{sim: s, rnd: rand.New(rand.NewPCG(seed, uint64(i)+2)), delay: rtt / 2, rate: mbit * 1e6 / 8, queue: queue}
		client, server := newEnd(s, up, Config{}), newEnd(s, down, Config{})
		client.peer, server.peer = server, client
		clients[i] = client
		s.after(time.Duration(i)*later, func() {
			client.download()
		})
	}
	s.run(later)
	for _, w := range windows {
		var before [2]int64
		for i, c := range clients {
			before[i] = c.read
		}
		begun := s.now
		s.run(later + w)
		var rates [2]float64
		for i, c := range clients {
			rates[i] = float64(c.read-before[i]) / (s.now - begun).Seconds() / 1e6
		}
		out = append(out, rates)
	}
	return out
}

// BenchmarkShares is how two tunnels share a link, of which the second begins 3 s later: go
// test -run xxx -bench Shares -benchtime 1x -v ./std/arq
func BenchmarkShares(b *testing.B) {
	for b.Loop() {
		for _, q := range []time.Duration{10 * msec, 100 * msec, 500 * msec} {
			for i, r := range shares(100, 100*msec, q, 3*time.Second, []time.Duration{3 * time.Second, 6 * time.Second, 12 * time.Second, 24 * time.Second, 60 * time.Second}, 1) {
				b.Logf("queue %v window %d: first %.2f second %.2f", q, i, r[0], r[1])
			}
		}
	}
}
