package arq

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// tcp is a flow of another kind on a link, which sends as much as it may: windows as of
// CUBIC (RFC 9438), or the pace of BBR's first version. It is as simple as shows how each
// meets others: what is lost is not sent again, and each packet is acknowledged.
type tcp struct {
	sim  *sim
	out  *wire
	back time.Duration // delay of acknowledgements
	bbr  bool

	next, lowest int             // numbers of packets
	sent         []time.Duration // by number
	delivered    []int           // when it was sent, by number
	got          int             // packets that have arrived
	flight       int
	acked        map[int]bool

	window, slowUntil float64 // packets
	most, reno        float64 // of the window when it was cut last; what Reno's would be now
	cut               time.Duration
	recovered         int // what is sent before it was lost for the same reason

	rates [10]float64 // packets per second, of the last rounds
	round int         // ends when this one arrives
	n     int
	least time.Duration
	until time.Duration // of the next packet
	heard time.Duration // something of this flow
}

const tcpPacket = 1500

func newTCP(s *sim, out *wire, back time.Duration, bbr bool) *tcp {
	return &tcp{sim: s, out: out, back: back, bbr: bbr, window: 10, slowUntil: math.Inf(1), least: time.Hour, acked: map[int]bool{}}
}

// send sends what the window, and the pace, have room for.
func (f *tcp) send() {
	for f.flight < int(f.window) {
		if f.bbr && f.n > 0 && f.until > f.sim.now {
			return // by the timer
		}
		number := f.next
		f.next++
		f.flight++
		f.sent = append(f.sent, f.sim.now)
		f.delivered = append(f.delivered, f.got)
		f.out.send(make([]byte, tcpPacket), 0, func([]byte) {
			f.sim.after(f.back, func() { f.acknowledge(number) })
		})
		if f.bbr && f.n > 0 {
			f.until = max(f.until, f.sim.now-msec) + seconds(1/f.pace())
			f.sim.after(f.until-f.sim.now, f.send)
		}
	}
}

// timeout begins again where nothing is heard of.
func (f *tcp) timeout() {
	if f.flight > 0 && f.sim.now-f.heard > 400*msec {
		f.lowest, f.flight, f.heard = f.next, 0, f.sim.now
		clear(f.acked)
		f.slowUntil = f.window / 2
		f.window = 4
	}
	f.send()
	f.sim.after(100*msec, f.timeout)
}

// acknowledge takes in that a packet has arrived.
func (f *tcp) acknowledge(number int) {
	if f.got++; number < f.lowest {
		return
	}
	f.heard = f.sim.now
	f.flight--
	f.acked[number] = true
	rtt := f.sim.now - f.sent[number]
	f.least = min(f.least, rtt)
	lost := 0
	for ; f.lowest < number-3 || f.acked[f.lowest]; f.lowest++ { // three have overtaken it
		if !f.acked[f.lowest] {
			lost++
			f.flight--
		}
		delete(f.acked, f.lowest)
	}
	if f.bbr {
		f.measure(number, rtt)
	} else {
		f.cubic(number, lost)
	}
	f.send()
}

// cubic sets the window as RFC 9438 has it.
func (f *tcp) cubic(number, lost int) {
	const c, beta = 0.4, 0.7
	switch {
	case lost > 0 && number >= f.recovered:
		f.recovered = f.next
		f.most, f.cut = f.window, f.sim.now
		f.window = max(2, f.window*beta)
		f.slowUntil, f.reno = f.window, f.window
	case f.window < f.slowUntil:
		f.window++
	default:
		t := (f.sim.now - f.cut).Seconds()
		k := math.Cbrt(f.most * (1 - beta) / c)
		f.reno += 3 * (1 - beta) / (1 + beta) / f.window
		target := max(c*math.Pow(t-k, 3)+f.most, f.reno)
		f.window += max(0.01, min(target-f.window, f.window/2)) / f.window
	}
}

// best is the rate of the best of the last rounds.
func (f *tcp) best() float64 {
	best := 0.0
	for _, r := range f.rates {
		best = max(best, r)
	}
	return best
}

// pace is packets per second: 1.25 times the rate in one round of eight, 0.75 times in the
// next, and 2.9 times in the first eight.
func (f *tcp) pace() float64 {
	gain := 1.0
	switch {
	case f.n < 8:
		gain = 2.9
	case f.n%8 == 0:
		gain = 1.25
	case f.n%8 == 1:
		gain = 0.75
	}
	return gain * f.best()
}

// measure sets the window by the rate and the least round trip.
func (f *tcp) measure(number int, rtt time.Duration) {
	rate := float64(f.got-f.delivered[number]) / rtt.Seconds()
	f.rates[f.n%len(f.rates)] = max(f.rates[f.n%len(f.rates)], rate)
	if number >= f.round {
		f.round = f.next
		f.n++
		f.rates[f.n%len(f.rates)] = 0
	}
	f.window = max(4, 2*f.best()*f.least.Seconds())
	if f.n < 8 {
		f.window = max(10, 2.9*f.best()*f.least.Seconds())
	}
}

// besideTCP is the share of the link that a download gets beside a flow of TCP, of which one
// begins 3 s after the other, or somewhat later by the seed, and the share of the other, from
// 5 s after that on.
func besideTCP(mbit float64, rtt, queue time.Duration, bbr, tcpFirst bool, d time.Duration, seed uint64) (ours, theirs float64) {
	s := new(sim)
	down := wire{delay: rtt / 2, rate: mbit * 1e6 / 8, queue: queue}
	up := wire{delay: rtt / 2, rate: mbit * 1e6 / 8, queue: queue}
	client, server := pair(s, down, up, seed)
	other := newTCP(s, server.out, rtt/2, bbr)
	later := 3*time.Second + time.Duration(seed)*37*msec
	begin := [2]time.Duration{0, later}
	if tcpFirst {
		begin = [2]time.Duration{later, 0}
	}
	s.after(begin[0], func() {
		client.download()
	})
	s.after(begin[1], other.timeout)
	s.run(8 * time.Second)
	read, got := client.read, other.got
	s.run(8*time.Second + d)
	all := mbit * 1e6 / 8 * d.Seconds()
	return float64(client.read-read) * 1378 / 1306 / all, float64(other.got-got) * tcpPacket / all
}

// Neither starves: ours beside one that fills queues until they drop, or one that keeps to
// the rate that it has measured and heeds no loss, whoever comes first, and on a queue that
// is shorter than what we would keep in it. When the later one comes decides much, so the mean
// of several runs counts.
func TestBesideTCP(t *testing.T) {
	for _, c := range []struct {
		mbit       float64
		rtt, queue time.Duration
		bbr, first bool
		least      float64 // share of ours
	}{
		{20, 50 * msec, 10 * msec, false, false, 0.1}, {20, 50 * msec, 10 * msec, true, true, 0.1}, {20, 50 * msec, 50 * msec, true, false, 0.1},
		{20, 50 * msec, 50 * msec, false, true, 0.1}, {20, 50 * msec, 500 * msec, false, true, 0.1}, {100, 100 * msec, 100 * msec, true, false, 0.15},
	} {
		const runs = 3
		ours, theirs := 0.0, 0.0
		for seed := range uint64(runs) {
			a, b := besideTCP(c.mbit, c.rtt, c.queue, c.bbr, c.first, 8*time.Second, seed)
			ours += a / runs
			theirs += b / runs
		}
		if ours < c.least || theirs < 0.1 || ours+theirs < 0.85 {
			t.Errorf("%v Mbit/s, queue %v, BBR %v, first %v: %.2f of the link is ours and %.2f theirs", c.mbit, c.queue, c.bbr, c.first, ours, theirs)
		}
	}
}

// BenchmarkBesideTCP is how a download and a flow of TCP share a link: go test -run xxx
// -bench BesideTCP -benchtime 1x ./std/arq
func BenchmarkBesideTCP(b *testing.B) {
	for _, bbr := range []bool{false, true} {
		for _, first := range []bool{false, true} {
			for _, queue := range []time.Duration{10 * msec, 50 * msec, 100 * msec, 500 * msec} {
				b.Run(fmt.Sprintf("bbr %v/first %v/queue %v", bbr, first, queue), func(b *testing.B) {
					for b.Loop() {
						ours, theirs := besideTCP(20, 50*msec, queue, bbr, first, 20*time.Second, 1)
						b.ReportMetric(100*ours, "%ours")
						b.ReportMetric(100*theirs, "%theirs")
						b.ReportMetric(0, "ns/op")
					}
				})
			}
		}
	}
}
