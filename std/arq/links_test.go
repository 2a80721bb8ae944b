package arq

import (
	"slices"
	"testing"
	"time"
)

// cell is a link, and what was measured on it.
type cell struct {
	name     string
	rtt      time.Duration
	mbit     float64
	loss     float64 // per cent
	burst    float64
	jitter   time.Duration
	queue    time.Duration
	police   float64
	upMbit   float64
	swing    func(time.Duration) float64
	meanMbit float64
}

const msec = time.Millisecond

var cells = []cell{
	{name: "20/100/1", rtt: 20 * msec, mbit: 100, loss: 1},
	{name: "100/100/0", rtt: 100 * msec, mbit: 100},
	{name: "100/100/1", rtt: 100 * msec, mbit: 100, loss: 1},
	{name: "100/100/5", rtt: 100 * msec, mbit: 100, loss: 5},
	{name: "100/100/10", rtt: 100 * msec, mbit: 100, loss: 10},
	{name: "200/100/1", rtt: 200 * msec, mbit: 100, loss: 1},
	{name: "100/20/1", rtt: 100 * msec, mbit: 20, loss: 1},
	{name: "200/20/5", rtt: 200 * msec, mbit: 20, loss: 5},
	{name: "100/300/1", rtt: 100 * msec, mbit: 300, loss: 1},
	{name: "20/300/5", rtt: 20 * msec, mbit: 300, loss: 5},
	{name: "100/100/5 burst 5", rtt: 100 * msec, mbit: 100, loss: 5, burst: 5},
	{name: "100/100/1 jitter 10", rtt: 100 * msec, mbit: 100, loss: 1, jitter: 10 * msec},
	{name: "100/100/1 jitter 25", rtt: 100 * msec, mbit: 100, loss: 1, jitter: 25 * msec},
	{name: "100/100/1 queue 10", rtt: 100 * msec, mbit: 100, loss: 1, queue: 10 * msec},
	{name: "100/100/0 queue 10", rtt: 100 * msec, mbit: 100, queue: 10 * msec},
	{name: "100/100/1 queue 500", rtt: 100 * msec, mbit: 100, loss: 1, queue: 500 * msec},
	{name: "100/20/1 queue 1000 up 1", rtt: 100 * msec, mbit: 20, loss: 1, queue: time.Second, upMbit: 1},
	{name: "50/20/0 policed 64k", rtt: 50 * msec, mbit: 20, police: 65536},
	{name: "100/50/1 policed 64k", rtt: 100 * msec, mbit: 50, loss: 1, police: 65536},
	{name: "60/swing 60:20 3s", rtt: 60 * msec, mbit: 60, swing: func(t time.Duration) float64 {
		if (t/(3*time.Second))%2 == 0 {
			return 60e6 / 8
		}
		return 20e6 / 8
	}, meanMbit: 40},
	{name: "10/2/1", rtt: 10 * msec, mbit: 2, loss: 1},
	{name: "300/5/3", rtt: 300 * msec, mbit: 5, loss: 3},
	{name: "200/300/1", rtt: 200 * msec, mbit: 300, loss: 1},
}

// ideal is the bytes on the wire for each of payload, where nothing is sent in vain.
func (c cell) ideal() float64 { return 1378.0 / 1306 / (1 - c.loss/100) }

type outcome struct {
	steady, whole     float64 // MB/s
	share             float64 // of the cap, steady
	perPayload        float64 // bytes on the wire, steady
	drops, startDrops int
	p50, p99          time.Duration
	back              float64 // bytes on the way back per payload

}

const simTime = 8 * time.Second

func (c cell) run(seed uint64, download time.Duration) outcome {
	s := new(sim)
	if c.queue == 0 {
		c.queue = 100 * msec
	}
	down := wire{delay: c.rtt / 2, jitter: c.jitter, rate: c.mbit * 1e6 / 8, queue: c.queue, loss: c.loss / 100, burst: c.burst, police: c.police, change: c.swing}
	up := down
	up.change, up.police = nil, 0
	if c.upMbit > 0 {
		up.rate = c.upMbit * 1e6 / 8
	}
	client, server := pair(s, down, up, seed)
	// An echo each 100 ms: what is written behind it is not waited for.
	type question struct {
		begun time.Duration
		up    int64
		down  int64
	}
	var open []*question
	var echoes []time.Duration
	server.onRead = func() {
		for _, q := range open {
			if q.down == 0 && server.read >= q.up {
				server.write(64)
				q.down = server.written
			}
		}
	}
	client.onRead = func() {
		open = slices.DeleteFunc(open, func(q *question) bool {
			if q.down == 0 || client.read < q.down {
				return false
			}
			if q.begun > 2*time.Second {
				echoes = append(echoes, s.now-q.begun)
			}
			return true
		})
	}
	var ask func()
	ask = func() {
		client.write(64)
		open = append(open, &question{begun: s.now, up: client.written})
		client.poll()
		s.after(50*msec, ask)
	}
	ask()
	server.bulk = true
	server.poll()
	s.run(2 * time.Second)
	atRead, atWire, atBack, startDrops := client.read, server.out.bytes, client.out.bytes, server.out.drops
	s.run(download)
	got := float64(client.read - atRead)
	o := outcome{
		steady: got / (download - 2*time.Second).Seconds() / 1e6, whole: float64(client.read) / download.Seconds() / 1e6,
		perPayload: float64(server.out.bytes-atWire) / got, drops: server.out.drops, startDrops: startDrops,
		back: float64(client.out.bytes-atBack) / got,
	}
	mbit := c.mbit
	if c.meanMbit > 0 {
		mbit = c.meanMbit
	}
	o.share = o.steady * c.ideal() * 8 / mbit
	slices.Sort(echoes)
	if n := len(echoes); n > 0 {
		o.p50, o.p99 = echoes[n/2], echoes[n*99/100]
	}
	return o
}

// BenchmarkLinks runs a download over each link of the table, in simulated time:
//
//	go test -run xxx -bench Links -benchtime 1x ./std/arq
func BenchmarkLinks(b *testing.B) {
	for _, c := range cells {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				o := c.run(1, simTime)
				b.ReportMetric(o.steady, "MB/s")
				b.ReportMetric(o.whole, "MB/s-whole")
				b.ReportMetric(100*o.share, "%cap")
				b.ReportMetric(o.perPayload-c.ideal(), "wire-over-ideal")
				b.ReportMetric(float64(o.drops), "drops")
				b.ReportMetric(float64(o.startDrops), "start-drops")
				b.ReportMetric(o.p50.Seconds()*1e3, "echo-p50-ms")
				b.ReportMetric(o.p99.Seconds()*1e3, "echo-p99-ms")
				b.ReportMetric(o.back, "back/payload")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// The rate is found on links of each kind. The simulation goes the same way each time;
// what it shows in full is BenchmarkLinks.
func TestLinks(t *testing.T) {
	for _, c := range cells {
		if c.mbit > 20 {
			continue // takes long with the race detector
		}
		o := c.run(1, simTime)
		if o.share < 0.9 || o.perPayload > c.ideal()+0.15 {
			t.Errorf("%s: %.1f %% of the cap, %.3f bytes on the wire for each, ideal is %.3f", c.name, 100*o.share, o.perPayload, c.ideal())
		}
	}
}
