package lab

import (
	"net/netip"
	"sync"
	"time"
)

// line is one direction of a relay: it decides the fate of each packet, and
// sends it at once from the reader's goroutine, or later from its own (run).
type line struct {
	tally
	send    func(client netip.AddrPort, b []byte) error // sends to the far side; client names the flow
	barrier *barrier
	start   time.Time // origin of all times below: durations compare faster than times

	mu     sync.Mutex
	fault  Fault
	dice   *dice
	free   time.Duration // when the rate limit lets the next packet start
	last   time.Duration // when the latest packet sent in order is due
	queue  schedule
	closed bool

	wake chan struct{} // holds one token: the head of the queue has changed
	done chan struct{} // closed by close
}

func newLine(dir Direction, seed uint64, f Fault, b *barrier, send func(netip.AddrPort, []byte) error) *line {
	return &line{
		send: send, barrier: b, fault: f, dice: newDice(seed, dir), start: time.Now(),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

func (l *line) setFault(f Fault) {
	l.mu.Lock()
	l.fault = f
	l.mu.Unlock()
}

// carry handles one packet. b belongs to the caller, who may reuse it after the return;
// carry may change its contents.
func (l *line) carry(client netip.AddrPort, b []byte) {
	l.packetsIn.Add(1)
	l.bytesIn.Add(uint64(len(b)))
	l.mu.Lock()
	t := l.dice.next(&l.fault)
	switch {
	case l.barrier.stops(client):
		l.mu.Unlock()
		l.cut.Add(1)
		return
	case l.fault.MaxSize > 0 && len(b) > l.fault.MaxSize:
		l.mu.Unlock()
		l.tooLarge.Add(1)
		return
	}
	if t.lost {
		l.lose(len(b))
		l.mu.Unlock()
		return
	}
	if t.corrupt {
		l.dice.flip(b)
		l.corrupted.Add(1)
	}
	if t.held {
		l.reordered.Add(1)
	}
	now := l.place(t, client, b)
	if t.twice {
		l.duplicated.Add(1)
		now += l.place(t, client, b)
	}
	l.mu.Unlock()
	for range now {
		l.emit(client, b)
	}
}

// place queues the packet until it is due, or returns 1 if that is now; l.mu is held.
func (l *line) place(t throw, client netip.AddrPort, b []byte) int {
	f := &l.fault
	if f.Delay == 0 && f.Jitter == 0 && f.Rate == 0 && l.last == 0 && !t.held {
		return 1 // the common case does not read the clock
	}
	now := time.Since(l.start)
	due, ok := l.passRate(now, len(b))
	if !ok {
		l.queueDrops.Add(1)
		return 0
	}
	due += f.Delay + t.jitter
	switch {
	case t.held:
		due = max(due, l.last) + t.hold
	case f.Overtake:
		l.last = max(l.last, due) // for packets sent after Overtake is turned off
	default:
		if due = max(due, l.last); due > now {
			l.last = due
			break
		}
		l.last = 0
		return 1
	}
	if l.closed || !l.queue.push(due, client, b) {
		l.queueDrops.Add(1)
		return 0
	}
	if l.queue.head() == due {
		l.wakeRun()
	}
	return 0
}

// passRate returns when a packet has passed the bottleneck, which is busy with it until
// then. ok is false if the queue is full. l.mu is held.
func (l *line) passRate(now time.Duration, size int) (due time.Duration, ok bool) {
	f := &l.fault
	if f.Rate == 0 {
		return now, true
	}
	begin := max(now, l.free)
	if begin-now > f.queueLimit() {
		return 0, false
	}
	l.free = begin + f.takes(size)
	if f.Bucket > 0 {
		return now, true
	}
	return l.free, true
}

// lose drops a packet behind the bottleneck, where it has already used its share of the
// rate, as on a radio link; l.mu is held.
func (l *line) lose(size int) {
	if l.fault.Rate > 0 {
		if _, ok := l.passRate(time.Since(l.start), size); !ok {
			l.queueDrops.Add(1)
			return
		}
	}
	l.lost.Add(1)
}

func (l *line) wakeRun() {
	select {
	case l.wake <- struct{}{}:
	default: // there is a token already
	}
}

// emit sends the packet on.
func (l *line) emit(client netip.AddrPort, b []byte) {
	if l.barrier.stops(client) {
		l.cut.Add(1)
		return
	}
	if err := l.send(client, b); err != nil {
		l.failed.Add(1)
		return
	}
	l.packetsOut.Add(1)
	l.bytesOut.Add(uint64(len(b)))
}

// run sends queued packets when they are due, until close is called.
func (l *line) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []*parcel
	for {
		var next time.Duration
		due, next = l.popDue(due[:0])
		for _, p := range due {
			l.emit(p.client, p.bytes())
			p.release()
		}
		if len(due) > 0 {
			continue // sending took time, so more may be due
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-l.wake:
		case <-l.done:
			return
		}
	}
}

// popDue removes the packets that are due, and returns the time until the next one is.
func (l *line) popDue(due []*parcel) ([]*parcel, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.start)
	for l.queue.len() > 0 && l.queue.head() <= now {
		due = append(due, l.queue.pop())
	}
	if l.queue.len() == 0 {
		return due, time.Hour
	}
	return due, l.queue.head() - now
}

// close discards the queue and ends run. It does not wait for run.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for l.queue.len() > 0 {
		l.queue.pop().release()
	}
	close(l.done)
}
