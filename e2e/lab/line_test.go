package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// arrival is a packet that a line under test has sent on.
type arrival struct {
	at   time.Duration // since the line was created
	data []byte
}

// probe is a line whose far side records arrivals.
type probe struct {
	*line
	wg   sync.WaitGroup
	mu   sync.Mutex
	seen []arrival
}

func newProbe(seed uint64, f Fault) *probe {
	p := new(probe)
	p.line = newLine(Up, seed, f, new(barrier), func(_ netip.AddrPort, b []byte) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen = append(p.seen, arrival{time.Since(p.start), bytes.Clone(b)})
		return nil
	})
	p.wg.Go(p.run)
	return p
}

// all returns what has arrived so far.
func (p *probe) all() []arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

func (p *probe) stop() {
	p.close()
	p.wg.Wait()
}

// packet returns 100 bytes that begin with its number.
func packet(i int) []byte {
	b := make([]byte, 100)
	binary.BigEndian.PutUint32(b, uint32(i))
	return b
}

// feed carries count packets, gap apart in virtual time, and lets the line deliver all of
// them.
func (p *probe) feed(count int, gap time.Duration) {
	for i := range count {
		p.carry(netip.AddrPort{}, packet(i))
		if gap > 0 {
			time.Sleep(gap)
		}
	}
	time.Sleep(time.Minute)
}

func (p *probe) numbers() []int {
	var list []int
	for _, a := range p.all() {
		list = append(list, int(binary.BigEndian.Uint32(a.data)))
	}
	return list
}

// inBubble runs the body in virtual time, and checks at the end that every packet is
// accounted for.
func inBubble(t *testing.T, f Fault, body func(p *probe)) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(1, f)
		body(p)
		p.stop()
		c := p.snapshot()
		if c.PacketsIn+c.Duplicated != c.PacketsOut+c.Lost+c.Cut+c.TooLarge+c.QueueDrops+c.Failed {
			t.Errorf("packets do not add up: %+v", c)
		}
		if int(c.PacketsOut) != len(p.all()) {
			t.Errorf("counted %d, sent %d", c.PacketsOut, len(p.all()))
		}
	})
}

func within(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s is %v, want %v to %v", what, got, low, high)
	}
}

func TestNoFault(t *testing.T) {
	inBubble(t, Fault{}, func(p *probe) {
		for i := range 100 {
			p.carry(netip.AddrPort{}, packet(i))
			if p.packetsOut.Load() != uint64(i+1) {
				t.Fatal("a packet without faults must leave before carry returns")
			}
		}
		if !slices.IsSorted(p.numbers()) || p.all()[99].at != 0 {
			t.Error("packets were reordered or delayed")
		}
	})
}

func TestLoss(t *testing.T) {
	inBubble(t, Fault{Loss: 0.1}, func(p *probe) {
		p.feed(10000, 0)
		within(t, "lost", float64(p.lost.Load()), 900, 1100)
	})
	inBubble(t, Fault{Loss: 1}, func(p *probe) {
		p.feed(100, 0)
		within(t, "lost", float64(p.lost.Load()), 100, 100)
	})
}

func TestLossBursts(t *testing.T) {
	inBubble(t, Fault{Loss: 0.2, Burst: 8}, func(p *probe) {
		p.feed(50000, 0)
		bursts, last := 0, -1
		for _, n := range p.numbers() {
			if n != last+1 {
				bursts++
			}
			last = n
		}
		lost := float64(p.lost.Load())
		within(t, "loss", lost/50000, 0.17, 0.23)
		within(t, "mean burst", lost/float64(bursts), 7, 9)
	})
}

func TestDuplicate(t *testing.T) {
	inBubble(t, Fault{Duplicate: 0.1, Delay: time.Millisecond}, func(p *probe) {
		p.feed(10000, 0)
		within(t, "duplicated", float64(p.duplicated.Load()), 900, 1100)
		within(t, "arrived", float64(len(p.all())), 10900, 11100)
	})
}

func TestCorrupt(t *testing.T) {
	inBubble(t, Fault{Corrupt: 0.1}, func(p *probe) {
		for i := range 10000 {
			p.carry(netip.AddrPort{}, packet(i))
		}
		changed := 0
		for i, a := range p.all() {
			flips := 0
			for j, b := range packet(i) {
				flips += bits.OnesCount8(b ^ a.data[j])
			}
			if flips > 3 {
				t.Fatalf("%d bits flipped", flips)
			}
			if flips > 0 {
				changed++
			}
		}
		if changed != int(p.corrupted.Load()) {
			t.Errorf("%d packets changed, %d counted", changed, p.corrupted.Load())
		}
		within(t, "corrupted", float64(changed), 900, 1100)
	})
}

func TestReorder(t *testing.T) {
	inBubble(t, Fault{Reorder: 0.05}, func(p *probe) {
		p.feed(2000, 100*time.Microsecond)
		late, highest := 0, -1
		for _, n := range p.numbers() {
			if n < highest {
				late++
			}
			highest = max(highest, n)
		}
		within(t, "held back", float64(p.reordered.Load()), 60, 140)
		if late != int(p.reordered.Load()) {
			t.Errorf("%d packets came late, %d were held back", late, p.reordered.Load())
		}
		for _, a := range p.all() {
			sent := time.Duration(binary.BigEndian.Uint32(a.data)) * 100 * time.Microsecond
			if wait := a.at - sent; wait != 0 && (wait < reorderHoldMin || wait > reorderHoldMax) {
				t.Fatalf("held back for %v", wait)
			}
		}
	})
}

func TestDelayAndJitter(t *testing.T) {
	inBubble(t, Fault{Delay: 25 * time.Millisecond, Jitter: 10 * time.Millisecond}, func(p *probe) {
		p.feed(500, time.Millisecond)
		if list := p.numbers(); len(list) != 500 || !slices.IsSorted(list) {
			t.Error("delay and jitter must keep the order and lose nothing")
		}
		var least, most = time.Hour, time.Duration(0)
		for i, a := range p.all() {
			late := a.at - time.Duration(i)*time.Millisecond
			least, most = min(least, late), max(most, late)
		}
		within(t, "least delay in ms", least.Seconds()*1000, 25, 28)
		within(t, "most delay in ms", most.Seconds()*1000, 32, 35)
	})
}

func TestDelayTakenAwayKeepsOrder(t *testing.T) {
	inBubble(t, Fault{Delay: 20 * time.Millisecond}, func(p *probe) {
		p.carry(netip.AddrPort{}, packet(0))
		p.setFault(Fault{})
		p.carry(netip.AddrPort{}, packet(1))
		time.Sleep(time.Second)
		p.carry(netip.AddrPort{}, packet(2))
		if list := p.numbers(); !slices.Equal(list, []int{0, 1, 2}) {
			t.Errorf("arrived as %v", list)
		}
	})
}

func TestRateAndQueue(t *testing.T) {
	// 1000 packets of 100 bytes arrive at once, at 100 kB/s and with a queue of 200 ms: 20
	// kB or 200 packets may wait, besides the one being sent.
	inBubble(t, Fault{Rate: 100_000, Queue: 200 * time.Millisecond}, func(p *probe) {
		p.feed(1000, 0)
		if len(p.all()) != 201 || p.queueDrops.Load() != 799 {
			t.Fatalf("%d arrived and %d were dropped, want 201 and 799", len(p.all()), p.queueDrops.Load())
		}
		if last := p.all()[200].at; last != 201*time.Millisecond {
			t.Errorf("the last packet came after %v, want 201ms", last)
		}
	})
}

func TestMaxSize(t *testing.T) {
	inBubble(t, Fault{MaxSize: 1200}, func(p *probe) {
		for _, size := range []int{1199, 1200, 1201, 1500} {
			p.carry(netip.AddrPort{}, make([]byte, size))
		}
		if len(p.all()) != 2 || p.tooLarge.Load() != 2 {
			t.Errorf("%d arrived and %d were too large, want 2 and 2", len(p.all()), p.tooLarge.Load())
		}
	})
}

func TestScheduleIsBounded(t *testing.T) {
	inBubble(t, Fault{Delay: time.Second}, func(p *probe) {
		p.feed(scheduleLimit+10, 0)
		if n := p.queueDrops.Load(); n != 10 {
			t.Errorf("%d packets dropped at the limit, want 10", n)
		}
	})
}

func TestLargePacketWaits(t *testing.T) {
	inBubble(t, Fault{Delay: time.Millisecond}, func(p *probe) {
		big := bytes.Repeat([]byte{7}, 60000)
		p.carry(netip.AddrPort{}, big)
		big[0] = 8 // the caller may reuse its buffer
		time.Sleep(time.Second)
		if len(p.all()) != 1 || len(p.all()[0].data) != 60000 || p.all()[0].data[0] != 7 {
			t.Error("a packet above the pooled size did not arrive as it was")
		}
	})
}

func TestCutReachesPacketsInFlight(t *testing.T) {
	inBubble(t, Fault{Delay: 10 * time.Millisecond}, func(p *probe) {
		p.carry(netip.AddrPort{}, packet(0))
		p.barrier.all.Store(true)
		p.feed(5, 0)
		p.barrier.all.Store(false)
		p.feed(3, 0)
		if len(p.all()) != 3 || p.cut.Load() != 6 {
			t.Errorf("%d arrived and %d were cut, want 3 and 6", len(p.all()), p.cut.Load())
		}
	})
}

func TestSendErrorsAreCounted(t *testing.T) {
	l := newLine(Up, 1, Fault{}, new(barrier), func(netip.AddrPort, []byte) error { return errors.New("no") })
	l.carry(netip.AddrPort{}, packet(0))
	if c := l.snapshot(); c.Failed != 1 || c.PacketsOut != 0 {
		t.Errorf("counters %+v", c)
	}
}

// TestDeterminism: the same seed gives the same fates, another seed gives others.
func TestDeterminism(t *testing.T) {
	f := Fault{Loss: 0.1, Burst: 3, Duplicate: 0.1, Corrupt: 0.1, Reorder: 0.1, Delay: time.Millisecond, Jitter: time.Millisecond}
	run := func(seed uint64) (seen []arrival) {
		synctest.Test(t, func(t *testing.T) {
			p := newProbe(seed, f)
			p.feed(1000, 50*time.Microsecond)
			p.stop()
			seen = p.all()
		})
		return seen
	}
	same := func(a, b arrival) bool { return a.at == b.at && bytes.Equal(a.data, b.data) }
	first := run(42)
	if !slices.EqualFunc(first, run(42), same) {
		t.Error("two runs with one seed differ")
	}
	if slices.EqualFunc(first, run(43), same) {
		t.Error("two seeds give the same run")
	}
}

// TestKnobsAreIndependent: other faults do not change which packets are lost.
func TestKnobsAreIndependent(t *testing.T) {
	lost := func(f Fault) (list []bool) {
		d := newDice(7, Down)
		for range 1000 {
			list = append(list, d.next(&f).lost)
		}
		return list
	}
	if !slices.Equal(lost(Fault{Loss: 0.3}), lost(Fault{Loss: 0.3, Duplicate: 0.5, Corrupt: 0.5, Reorder: 0.5, Jitter: 9})) {
		t.Error("the packets lost depend on the other faults")
	}
}

func TestFaultValidate(t *testing.T) {
	nan := 0.0
	nan /= nan
	bad := []Fault{
		{Loss: -0.1}, {Loss: 1.1}, {Loss: nan}, {Duplicate: 2}, {Corrupt: -1}, {Reorder: 3},
		{Delay: -1}, {Jitter: time.Minute}, {Rate: -1}, {Burst: -1}, {Burst: nan}, {Loss: 0.9, Burst: 2}, {MaxSize: -1}, {Bucket: 1}, {Rate: 1, Bucket: -1},
	}
	for _, f := range bad {
		if f.Validate() == nil {
			t.Errorf("%+v passed", f)
		}
	}
	for _, f := range []Fault{{}, {Loss: 1, Burst: 5}, {Loss: 0.5, Burst: 5, Rate: 1, Delay: time.Second}} {
		if err := f.Validate(); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
}
