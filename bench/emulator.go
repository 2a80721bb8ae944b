package main

import (
	"container/heap"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// maxPacket is larger than any packet of the devices, whose MTU is 1500.
const maxPacket = 4096

// oneWay is one direction of an emulated link: a bottleneck with a queue that
// drops what does not fit, then losses, then the delay.
type oneWay struct {
	in    io.Reader // one packet a Read
	out   io.Writer // one packet a Write
	cell  cell
	rng   *rand.Rand
	burst bool      // losing one packet after the other
	free  time.Time // when the bottleneck is done with what it has

	mu     sync.Mutex
	flying flight
	serial uint64
	ended  bool
	wake   chan struct{} // one token: the next packet to arrive is another

	offered, carried, lost, dropped atomic.Int64 // bytes, bytes, packets, packets
}

func newOneWay(in io.Reader, out io.Writer, c cell, seed uint64) *oneWay {
	return &oneWay{in: in, out: out, cell: c, rng: rand.New(rand.NewPCG(seed, 7)), wake: make(chan struct{}, 1)}
}

// read takes packets from the device until it is closed.
func (w *oneWay) read() {
	buf := make([]byte, maxPacket)
	for {
		n, err := w.in.Read(buf)
		if err != nil {
			break
		}
		w.offered.Add(int64(n))
		if due, ok := w.place(n, time.Now()); ok {
			w.launch(due, append([]byte(nil), buf[:n]...))
		}
	}
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.nudge()
}

// place decides when a packet arrives at the other end, if it does.
func (w *oneWay) place(size int, now time.Time) (due time.Time, ok bool) {
	due = now
	if w.cell.rate > 0 {
		if w.free.Before(now) {
			w.free = now
		}
		if w.free.Sub(now) > w.cell.queue {
			w.dropped.Add(1)
			return due, false
		}
		w.free = w.free.Add(time.Duration(float64(size) * 8e3 / w.cell.rate)) // ns of 8 bits at Mbit/s
		due = w.free
	}
	if w.lose() {
		w.lost.Add(1)
		return due, false
	}
	due = due.Add(w.cell.rtt / 2)
	if w.cell.jitter > 0 {
		due = due.Add(time.Duration(w.rng.Int64N(int64(w.cell.jitter))))
	}
	return due, true
}

// lose is the Gilbert model: a burst ends with probability 1/burst and begins
// with the one that makes the mean loss come out as asked.
func (w *oneWay) lose() bool {
	loss := w.cell.loss / 100
	if loss <= 0 {
		return false
	}
	draw := w.rng.Float64()
	switch {
	case w.cell.burst <= 1:
		return draw < loss
	case w.burst:
		w.burst = draw >= 1/w.cell.burst
	default:
		w.burst = draw < loss/(w.cell.burst*(1-loss))
	}
	return w.burst
}

func (w *oneWay) launch(due time.Time, data []byte) {
	w.mu.Lock()
	w.serial++
	heap.Push(&w.flying, packet{due, w.serial, data})
	first := w.flying[0].serial == w.serial
	w.mu.Unlock()
	if first {
		w.nudge()
	}
}

func (w *oneWay) nudge() {
	select {
	case w.wake <- struct{}{}:
	default: // a token is waiting already
	}
}

// write hands packets to the other end when they are due, until read has ended.
func (w *oneWay) write() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []packet
	for {
		var wait time.Duration
		var ended bool
		due, wait, ended = w.land(due[:0])
		if ended {
			return
		}
		for _, p := range due {
			if _, err := w.out.Write(p.data); err == nil {
				w.carried.Add(int64(len(p.data)))
			}
		}
		if len(due) > 0 {
			continue // writing took time: more may be due
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-w.wake:
		}
	}
}

// land takes what is due, and says how long the rest still flies.
func (w *oneWay) land(due []packet) ([]packet, time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for len(w.flying) > 0 && !w.flying[0].due.After(now) {
		due = append(due, heap.Pop(&w.flying).(packet))
	}
	wait := time.Hour
	if len(w.flying) > 0 {
		wait = w.flying[0].due.Sub(now)
	}
	return due, wait, w.ended
}

// packet is one on its way.
type packet struct {
	due    time.Time
	serial uint64 // keeps packets of the same time in order
	data   []byte
}

// flight is a heap of packets by the time they are due.
type flight []packet

func (f flight) Len() int      { return len(f) }
func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f flight) Less(i, j int) bool {
	return f[i].due.Before(f[j].due) || f[i].due.Equal(f[j].due) && f[i].serial < f[j].serial
}
func (f *flight) Push(x any) { *f = append(*f, x.(packet)) }
func (f *flight) Pop() any {
	old := *f
	p := old[len(old)-1]
	old[len(old)-1] = packet{}
	*f = old[:len(old)-1]
	return p
}
