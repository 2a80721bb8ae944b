package arq

import (
	"slices"
	"testing"
	"time"

	"kcptun/std/quota"
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
	swing    func(time.Duration) float64       // bytes per second, where the rate changes
	route    func(time.Duration) time.Duration // each way, where the delay changes
	meanMbit float64
	bound    *quota.Bound // of what both ends hold
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
	{name: "100/100/1 up 5", rtt: 100 * msec, mbit: 100, loss: 1, upMbit: 5},
	{name: "100/100/0 up 3", rtt: 100 * msec, mbit: 100, upMbit: 3},
	{name: "50/100/1 up 2 queue 500", rtt: 50 * msec, mbit: 100, loss: 1, queue: 500 * msec, upMbit: 2},
	{name: "50/20/1 up 0.4 queue 500", rtt: 50 * msec, mbit: 20, loss: 1, queue: 500 * msec, upMbit: 0.4},
	{name: "60/swing 60:20 3s", rtt: 60 * msec, mbit: 60, swing: steps(3*time.Second, 60, 20), meanMbit: 40},
	{name: "60/swing 10..70 1s", rtt: 60 * msec, mbit: 70, swing: steps(time.Second, 40, 10, 70, 25, 55, 15), meanMbit: 35.83},
	{name: "100/halves and doubles", rtt: 100 * msec, mbit: 100, swing: steps(4*time.Second, 100, 50, 100), meanMbit: 83.33},
	{name: "route 50 to 150", rtt: 50 * msec, mbit: 50, route: func(t time.Duration) time.Duration {
		if t < 4*time.Second {
			return 25 * msec
		}
		return 75 * msec
	}},
	{name: "route 150 to 50", rtt: 150 * msec, mbit: 50, route: func(t time.Duration) time.Duration {
		if t < 4*time.Second {
			return 75 * msec
		}
		return 25 * msec
	}},
	{name: "10/2/1", rtt: 10 * msec, mbit: 2, loss: 1},
	{name: "300/5/3", rtt: 300 * msec, mbit: 5, loss: 3},
	{name: "200/300/1", rtt: 200 * msec, mbit: 300, loss: 1},
}

// steps is a rate that changes now and then, again and again.
func steps(each time.Duration, mbit ...float64) func(time.Duration) float64 {
	return func(t time.Duration) float64 { return mbit[int(t/each)%len(mbit)] * 1e6 / 8 }
}

// ideal is the number of bytes on the wire per byte of payload if nothing is sent in vain.
func (c cell) ideal() float64 { return 1378.0 / 1306 / (1 - c.loss/100) }

type outcome struct {
	steady, whole     float64 // MB/s
	share             float64 // of the cap, steady
	perPayload        float64 // bytes on the wire, steady
	drops, startDrops int
	same, other       delays  // of an echo on the session of the download, and on another
	back              float64 // bytes on the way back per payload
}

// delays are those of echoes.
type delays []time.Duration

func (d delays) at(percent int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)*percent/100]
}

const simTime = 8 * time.Second

// echo asks for an answer every 50 ms, and records how long each takes from second 2 on. It
// does not wait for what is written after an echo.
func (client *end) echo(each time.Duration) *delays {
	type question struct {
		begun    time.Duration
		up, down int64
	}
	var open []*question
	var took delays
	server, s := client.peer, client.sim
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
				took = append(took, s.now-q.begun)
			}
			return true
		})
	}
	var ask func()
	ask = func() {
		client.write(64)
		open = append(open, &question{begun: s.now, up: client.written})
		client.poll()
		s.after(each, ask)
	}
	ask()
	return &took
}

func (c cell) run(seed uint64, download time.Duration) outcome {
	s := new(sim)
	if c.queue == 0 {
		c.queue = 100 * msec
	}
	down := wire{delay: c.rtt / 2, jitter: c.jitter, rate: c.mbit * 1e6 / 8, queue: c.queue, loss: c.loss / 100, burst: c.burst, police: c.police, change: c.swing, route: c.route}
	up := down
	up.change, up.police = nil, 0
	if c.upMbit > 0 {
		up.rate = c.upMbit * 1e6 / 8
	}
	client, server := pair(s, down, up, seed)
	client.held.bound, server.held.bound = c.bound, c.bound
	same, other := client.echo(50*msec), beside(client).echo(50*msec)
	server.bulk = true
	server.poll()
	s.run(2 * time.Second)
	atRead, atWire, atBack, startDrops := client.read, server.sent, client.sent, server.out.drops
	s.run(download)
	got := float64(client.read - atRead)
	o := outcome{
		steady: got / (download - 2*time.Second).Seconds() / 1e6, whole: float64(client.read) / download.Seconds() / 1e6,
		perPayload: float64(server.sent-atWire) / got, drops: server.out.drops, startDrops: startDrops,
		back: float64(client.sent-atBack) / got, same: *same, other: *other,
	}
	mbit := c.mbit
	if c.meanMbit > 0 {
		mbit = c.meanMbit
	}
	o.share = o.steady * c.ideal() * 8 / mbit
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
				b.ReportMetric(o.same.at(50).Seconds()*1e3, "echo-p50-ms")
				b.ReportMetric(o.same.at(99).Seconds()*1e3, "echo-p99-ms")
				b.ReportMetric(o.other.at(50).Seconds()*1e3, "other-p50-ms")
				b.ReportMetric(o.other.at(99).Seconds()*1e3, "other-p99-ms")
				b.ReportMetric(o.back, "back/payload")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// The rate is found on links of every kind. The simulation is deterministic; BenchmarkLinks
// shows all its results.
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

// Jitter looks like a growing queue, and may end the start too early. The rate was then
// half of what the link carries, and grew by a tenth a second.
func TestJitterCostsLittle(t *testing.T) {
	c := cell{rtt: 100 * msec, mbit: 100, loss: 1, jitter: 25 * msec}
	mean := 0.0
	for seed := range uint64(4) {
		mean += c.run(4+seed, 4*time.Second).share / 4
	}
	if mean < 0.85 {
		t.Errorf("%.0f %% of the link from second 2 to 4", 100*mean)
	}
}

// Jitter of packets between ends that run late now and then ended the start at a fraction of
// the rate in every other transfer.
func TestJitterBetweenBusyEnds(t *testing.T) {
	const runs, second = 8, time.Second
	share := 0.0
	for seed := range uint64(runs) {
		s := new(sim)
		w := wire{delay: 50 * msec, jitter: 25 * msec, rate: 100e6 / 8, queue: 100 * msec, loss: 0.01}
		client, server := pair(s, w, w, seed)
		client.busy(seed)
		server.busy(seed + 24)
		client.download()
		s.run(2 * second)
		before := client.read
		s.run(5 * second)
		share += float64(client.read-before) / 3 * (cell{loss: 1}).ideal() / w.rate / runs
	}
	t.Logf("%.0f %% of the link", 100*share)
	if share < 0.82 {
		t.Errorf("%.0f %% of the link from second 2 to 5", 100*share)
	}
}
