package lab

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// Packets are lost behind the bottleneck: a lost packet has taken its time there, and a
// packet dropped by the queue is not also counted as lost.
func TestLostPacketsTakeTheirPart(t *testing.T) {
	inBubble(t, Fault{Rate: 100_000, Queue: 200 * time.Millisecond, Loss: 0.5}, func(p *probe) {
		p.feed(1000, 0)
		if in := p.lost.Load() + uint64(len(p.all())); in != 201 || p.queueDrops.Load() != 799 {
			t.Errorf("%d got into the queue and %d did not, want 201 and 799", in, p.queueDrops.Load())
		}
		within(t, "lost", float64(p.lost.Load()), 70, 130)
	})
}

// A policer lets a burst pass and drops what exceeds the rate. Nothing waits.
func TestPolice(t *testing.T) {
	inBubble(t, Fault{Rate: 100_000, Bucket: 2000}, func(p *probe) {
		p.feed(100, 0) // 100 bytes each
		if n := len(p.all()); n != 21 || p.all()[20].at != 0 {
			t.Fatalf("%d of a burst passed, the last at %v, want 21 at once", n, p.all()[20].at)
		}
		begin := len(p.all())
		p.feed(1000, 500*time.Microsecond) // twice the rate for 0.5 s: the burst again, and half of the packets
		within(t, "passed", float64(len(p.all())-begin), 515, 525)
	})
}

func TestOvertake(t *testing.T) {
	inBubble(t, Fault{Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond, Overtake: true}, func(p *probe) {
		p.feed(500, time.Millisecond)
		if slices.IsSorted(p.numbers()) || len(p.all()) != 500 {
			t.Error("nothing was overtaken")
		}
		for _, a := range p.all() {
			sent := time.Duration(binary.BigEndian.Uint32(a.data)) * time.Millisecond
			if wait := a.at - sent; wait < 5*time.Millisecond || wait > 25*time.Millisecond {
				t.Fatalf("a packet took %v", wait)
			}
		}
	})
	inBubble(t, Fault{Jitter: 20 * time.Millisecond, Overtake: true}, func(p *probe) {
		p.carry(netip.AddrPort{}, packet(0))
		p.setFault(Fault{})
		p.carry(netip.AddrPort{}, packet(1))
		time.Sleep(time.Second)
		if !slices.Equal(p.numbers(), []int{0, 1}) {
			t.Errorf("arrived as %v once jitter was over", p.numbers())
		}
	})
}

// notebook keeps the packets written to it.
type notebook struct {
	mu      sync.Mutex
	packets []string
}

func (n *notebook) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.packets = append(n.packets, string(b))
	return len(b), nil
}

func (n *notebook) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.packets)
}

func TestPipe(t *testing.T) {
	noLeaks(t)
	in, device := io.Pipe()
	out := new(notebook)
	p, err := NewPipe(in, out, Up, 1, Fault{Delay: 20 * time.Millisecond})
	must(t, err)
	begin := time.Now()
	for _, text := range []string{"a", "b", "c"} {
		_, err := device.Write([]byte(text))
		must(t, err)
	}
	wait(t, "the packets", func() bool { return len(out.all()) == 3 })
	if took := time.Since(begin); took < 20*time.Millisecond {
		t.Errorf("there after %v", took)
	}
	must(t, p.SetFault(Fault{Loss: 1}))
	_, err = device.Write([]byte("d"))
	must(t, err)
	device.Close()
	p.Close()
	if c := p.Counters(); !slices.Equal(out.all(), []string{"a", "b", "c"}) || c.BytesIn != 4 || c.BytesOut != 3 || c.Lost != 1 {
		t.Errorf("%q, %+v", out.all(), c)
	}
	if _, err := NewPipe(in, out, Up, 1, Fault{Loss: 2}); err == nil || p.SetFault(Fault{Loss: 2}) == nil {
		t.Error("a loss of 2 was accepted")
	}
}
