package main

import (
	"io"
	"math"
	"sync"
	"testing"
	"time"
)

func TestPlaceDelayAndRate(t *testing.T) {
	w := newOneWay(nil, nil, cell{rtt: 100 * time.Millisecond, rate: 8, queue: 10 * time.Millisecond}, 1)
	now := time.Now()
	// At 8 Mbit/s a packet of 1000 bytes takes 1 ms; the queue holds 10 of them,
	// and one is in service.
	for i := 1; i <= 11; i++ {
		due, ok := w.place(1000, now)
		if want := now.Add(50*time.Millisecond + time.Duration(i)*time.Millisecond); !ok || due.Sub(want).Abs() > time.Microsecond {
			t.Fatalf("packet %d is due %v late, ok %v", i, due.Sub(want), ok)
		}
	}
	if _, ok := w.place(1000, now); ok || w.dropped.Load() != 1 {
		t.Error("the queue has no end")
	}
	if _, ok := w.place(1000, now.Add(5*time.Millisecond)); !ok {
		t.Error("the queue does not drain")
	}
}

func TestPlaceLoss(t *testing.T) {
	for _, c := range []cell{{loss: 5, burst: 1}, {loss: 5, burst: 4}} {
		w := newOneWay(nil, nil, c, 1)
		const n = 200000
		runs, before := 0, false
		for range n {
			_, ok := w.place(100, time.Time{})
			if !ok && !before {
				runs++
			}
			before = !ok
		}
		share, burst := float64(w.lost.Load())/n*100, float64(w.lost.Load())/float64(runs)
		if math.Abs(share-c.loss) > 0.5 || math.Abs(burst-c.burst) > 0.3 {
			t.Errorf("%+v: lost %.2f %% in bursts of %.2f", c, share, burst)
		}
	}
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

func (n *notebook) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.packets)
}

func TestOneWayCarries(t *testing.T) {
	in, device := io.Pipe()
	out := new(notebook)
	w := newOneWay(in, out, cell{rtt: 40 * time.Millisecond}, 1)
	var wg sync.WaitGroup
	wg.Go(w.read)
	wg.Go(w.write)
	begin := time.Now()
	for _, text := range []string{"a", "b", "c"} {
		_, err := device.Write([]byte(text))
		must(t, err)
	}
	for out.count() < 3 && time.Since(begin) < 10*time.Second {
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(begin); took < 20*time.Millisecond {
		t.Errorf("there after %v", took)
	}
	device.Close()
	wg.Wait()
	if len(out.packets) != 3 || out.packets[0]+out.packets[1]+out.packets[2] != "abc" || w.carried.Load() != 3 || w.offered.Load() != 3 {
		t.Errorf("%q, %d of %d bytes", out.packets, w.carried.Load(), w.offered.Load())
	}
}
