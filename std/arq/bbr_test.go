package arq

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// bbr is a flow of BBR's first version, with what decides how it meets others: its start
// overfills the queue, it keeps to the highest rate of the last ten rounds, and it has twice
// that rate times the least round trip in flight. What is lost is not sent again.
type bbr struct {
	sim  *sim
	out  *wire
	back time.Duration // delay of acknowledgements
	rnd  *rand.Rand

	packets      []bbrPacket  // by number
	acked        map[int]bool // not below lowest
	lowest       int          // all before it are acknowledged or lost
	flight       int
	got          int // packets that have arrived
	gotAt        time.Duration
	sentAt       time.Duration // when the packet that arrived last was sent
	next         time.Duration // when the pace lets the next packet go
	heard        time.Duration
	window, kept float64 // packets; kept is the window before a recovery
	recovered    int     // the first packet after it
	conserving   bool    // the first round of a recovery

	mode     bbrMode
	rates    [10]float64 // packets per second, of the last rounds
	round    int
	roundEnd int // packets that have arrived when it ends
	full     float64
	flat     int // rounds without growth
	least    time.Duration
	cycle    int
	cycleAt  time.Duration
	lossy    bool // something was lost in this part of the cycle
}

type bbrMode int

const (
	bbrStart bbrMode = iota
	bbrDrain
	bbrProbe
)

// bbrStartGain is 2/ln 2, which doubles the rate each round.
const bbrStartGain = 2.885

var bbrCycle = [8]float64{1.25, 0.75, 1, 1, 1, 1, 1, 1}

type bbrPacket struct {
	sent, before time.Duration // before is sentAt at that time
	got          int
	gotAt        time.Duration
}

func newBBR(s *sim, out *wire, back time.Duration, seed uint64) *bbr {
	return &bbr{sim: s, out: out, back: back, rnd: rand.New(rand.NewPCG(seed, 4)), window: 10, kept: math.Inf(1), least: time.Hour, acked: map[int]bool{}}
}

// begin begins, and begins again when nothing is heard.
func (f *bbr) begin() {
	if f.flight > 0 && f.sim.now-f.heard > 600*msec {
		f.lowest, f.flight, f.window, f.heard = len(f.packets), 0, 4, f.sim.now
		clear(f.acked)
	}
	f.send()
	f.sim.after(100*msec, f.begin)
}

func (f *bbr) rate() float64 { return slices.Max(f.rates[:]) }

// carries is gain times the packets that the rate has in flight in the least round trip.
func (f *bbr) carries(gain float64) float64 { return gain * f.rate() * f.least.Seconds() }

func (f *bbr) gain() float64 {
	switch f.mode {
	case bbrStart:
		return bbrStartGain
	case bbrDrain:
		return 1 / bbrStartGain
	}
	return bbrCycle[f.cycle]
}

// send sends what the window and the pace allow.
func (f *bbr) send() {
	for f.flight < int(f.window) && f.next <= f.sim.now {
		number := len(f.packets)
		if f.flight == 0 {
			f.sentAt, f.gotAt, f.heard = f.sim.now, f.sim.now, f.sim.now
		}
		f.flight++
		f.packets = append(f.packets, bbrPacket{f.sim.now, f.sentAt, f.got, f.gotAt})
		f.out.send(make([]byte, tcpPacket), 0, func([]byte) {
			f.sim.after(f.back, func() { f.acknowledge(number) })
		})
		if rate := f.rate(); rate > 0 {
			f.next = max(f.next, f.sim.now-msec) + seconds(1/(0.99*f.gain()*rate))
			f.sim.after(f.next-f.sim.now, f.send)
		}
	}
}

// acknowledge takes in that a packet has arrived.
func (f *bbr) acknowledge(number int) {
	f.got++
	f.gotAt = f.sim.now
	if number < f.lowest {
		return
	}
	p := f.packets[number]
	f.heard, f.sentAt = f.sim.now, p.sent
	f.flight--
	f.acked[number] = true
	lost := 0
	for ; f.lowest < number-3 || f.acked[f.lowest]; f.lowest++ { // three have overtaken it
		if !f.acked[f.lowest] {
			lost++
		}
		delete(f.acked, f.lowest)
	}
	f.flight -= lost
	began := f.measure(p)
	f.change(began, lost > 0)
	f.least = min(f.least, f.sim.now-p.sent)
	f.setWindow(lost)
	f.send()
}

// measure takes in a sample of the rate, and tells whether a round begins.
func (f *bbr) measure(p bbrPacket) (began bool) {
	if began = p.got >= f.roundEnd; began {
		f.roundEnd = f.got
		f.round++
		f.rates[f.round%len(f.rates)] = 0
		f.conserving = false
	}
	took := max(f.sim.now-p.gotAt, p.sent-p.before)
	if took > 0 && (took >= f.least || f.least == time.Hour) {
		at := &f.rates[f.round%len(f.rates)]
		*at = max(*at, float64(f.got-p.got)/took.Seconds())
	}
	return began
}

// change changes the mode, or the part of the cycle.
func (f *bbr) change(began, lost bool) {
	flight, over := float64(f.flight), f.sim.now-f.cycleAt > f.least
	switch f.mode {
	case bbrStart:
		if !began {
			return
		}
		if f.flat++; f.rate() >= 1.25*f.full {
			f.full, f.flat = f.rate(), 0
		}
		if f.flat >= 3 {
			f.mode = bbrDrain
		}
	case bbrDrain:
		if flight <= f.carries(1) {
			f.mode, f.cycleAt = bbrProbe, f.sim.now
			f.cycle = (8 - f.rnd.IntN(7)) % 8 // not with 0.75
		}
	case bbrProbe:
		f.lossy = f.lossy || lost
		switch g := f.gain(); {
		case g > 1:
			over = over && (f.lossy || flight >= f.carries(g))
		case g < 1:
			over = over || flight <= f.carries(1)
		}
		if over {
			f.cycle, f.cycleAt, f.lossy = (f.cycle+1)%8, f.sim.now, false
		}
	}
}

// setWindow follows the rate. In the first round after a loss only as much is sent as
// arrives; after that the window is what it was.
func (f *bbr) setWindow(lost int) {
	recovering := !math.IsInf(f.kept, 1)
	switch {
	case lost > 0 && !recovering:
		f.kept, f.recovered, f.conserving = f.window, len(f.packets), true
		f.window, f.roundEnd = float64(f.flight+1), f.got
	case lost > 0:
		f.window = max(1, f.window-float64(lost))
	case recovering && f.lowest >= f.recovered:
		f.window, f.kept, f.conserving = max(f.window, f.kept), math.Inf(1), false
	}
	if f.conserving {
		f.window = max(f.window, float64(f.flight+1))
		return
	}
	switch {
	case f.mode == bbrStart:
		if f.window < f.carries(bbrStartGain) || f.got < 10 {
			f.window++
		}
	case f.mode == bbrDrain:
		f.window = min(f.window+1, f.carries(bbrStartGain)+6)
	default:
		f.window = min(f.window+1, f.carries(2)+6)
	}
	f.window = max(f.window, 4)
}

// When BBR began beside us, each wave of its start cut our rate, until it had found the
// whole link: in one run of four we kept less than a sixth.
func TestBesideStartOfBBR(t *testing.T) {
	const runs, second = 6, time.Second
	for _, c := range []struct {
		mbit       float64
		rtt, queue time.Duration
		least      float64 // of what both carry, on average
	}{{100, 100 * msec, 100 * msec, 0.25}, {40, 150 * msec, 150 * msec, 0.25}} {
		share := 0.0
		for seed := range uint64(runs) {
			s := new(sim)
			w := wire{delay: c.rtt / 2, rate: c.mbit * 1e6 / 8, queue: c.queue}
			client, server := pair(s, w, w, seed)
			other := newBBR(s, server.out, c.rtt/2, seed)
			client.download()
			s.run(1250*msec + time.Duration(seed)*13*msec)
			other.begin()
			s.run(2500 * msec)
			read, got := client.read, other.got
			s.run(10 * second)
			ours, theirs := float64(client.read-read)*1378/1306, float64(other.got-got)*tcpPacket
			share += ours / (ours + theirs) / runs
		}
		t.Logf("%v Mbit/s, %v: %.2f", c.mbit, c.rtt, share)
		if share < c.least || share > 0.7 {
			t.Errorf("%v Mbit/s, %v: %.2f of what both carry is ours", c.mbit, c.rtt, share)
		}
	}
}
