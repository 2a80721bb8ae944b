package lab

import (
	"container/heap"
	"net/netip"
	"sync"
	"time"
)

// scheduleLimit bounds the number of packets in flight in one direction. At 1350 bytes per
// packet and 100 MB/s it lasts for 0.9 s. With buffers of 2 KiB it takes up to 128 MiB.
const scheduleLimit = 1 << 16

// parcelSize holds every datagram of the tunnel (at most 1500 bytes). Larger ones, which
// only foreign traffic has, get a buffer of their own.
const parcelSize = 2048

// parcelPool reuses parcels with their buffers. The heap and the pool hold pointers, so
// that a packet allocates nothing once the pool is filled.
var parcelPool = sync.Pool{New: func() any { return new(parcel) }}

// parcel is a packet in flight.
type parcel struct {
	due    time.Duration
	serial uint64 // keeps packets that are due at the same time in order
	client netip.AddrPort
	size   int
	small  [parcelSize]byte
	large  []byte // used instead of small for larger datagrams
}

func (p *parcel) bytes() []byte {
	if p.large != nil {
		return p.large
	}
	return p.small[:p.size]
}

func (p *parcel) release() {
	p.large = nil
	parcelPool.Put(p)
}

// schedule is a bounded heap of parcels, ordered by the time they are due.
type schedule struct {
	heap   parcelHeap
	serial uint64
}

func (s *schedule) len() int            { return len(s.heap) }
func (s *schedule) head() time.Duration { return s.heap[0].due }
func (s *schedule) pop() *parcel        { return heap.Pop(&s.heap).(*parcel) }

// push queues a copy of b; it returns false if the schedule is full.
func (s *schedule) push(due time.Duration, client netip.AddrPort, b []byte) bool {
	if len(s.heap) >= scheduleLimit {
		return false
	}
	s.serial++
	p := parcelPool.Get().(*parcel)
	p.due, p.serial, p.client, p.size = due, s.serial, client, len(b)
	if len(b) > parcelSize {
		p.large = append([]byte(nil), b...)
	} else {
		copy(p.small[:], b)
	}
	heap.Push(&s.heap, p)
	return true
}

// parcelHeap implements heap.Interface.
type parcelHeap []*parcel

func (h parcelHeap) Len() int      { return len(h) }
func (h parcelHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h parcelHeap) Less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].serial < h[j].serial
}
func (h *parcelHeap) Push(x any) { *h = append(*h, x.(*parcel)) }
func (h *parcelHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return p
}
