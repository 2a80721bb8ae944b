package link

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/crypt"
)

// maxQueued bounds the bytes that wait for the socket; above it WriteTo waits.
// That is kcp-go's sending goroutine of a session, which holds no lock then.
const maxQueued = 1 << 20

// A datagram that follows another within burstGap is taken for one of a burst, and
// for burstLasts after it none is sent by its writer.
const (
	burstGap   = 20 * time.Microsecond // more than it takes to send one
	burstLasts = 5 * time.Millisecond
)

// outbox gathers datagrams for the socket. Whoever writes appends to the open
// batch of the peer and wakes the flusher; what comes while the flusher is in the
// kernel makes the next batch. So load makes batches, idleness makes none, and a
// lone datagram leaves at once: its writer sends it himself, which saves waking the
// flusher.
type outbox struct {
	sock    carrier.Carrier
	seal    crypt.Sealer
	late    crypt.BatchSealer // seal, where that is to be done in whole batches; else nil
	trouble func(refused int, err error)

	mu     sync.Mutex
	queue  []*batch // in the order of their first datagrams
	closed bool
	busy   bool      // somebody is in the socket
	room   sync.Cond // queued has shrunk, or closed

	fresh, burst time.Time // when a batch was last begun; until when bursts are expected

	taken   []*batch         // being sent by whoever is in the socket
	sending []*carrier.Batch // the same, for the carrier

	queued atomic.Int64 // bytes in queue
	wake   chan struct{}
	done   chan struct{}
}

// smallBatch is the room of a batch at first: one datagram, as most are when
// little is sent. The second one moves it to the full size.
const smallBatch = 2048

// batch is datagrams to one peer, sealed or to be sealed.
type batch struct {
	carrier.Batch
	peer  *Peer
	small [smallBatch]byte
	large *[carrier.MaxBatchBytes]byte // where Buf is, once small is too small
}

// filling is the batch that takes the next datagram to a peer. Its lock guards the batch
// and what is in it, until the outbox takes it for sending.
type filling struct {
	mu    sync.Mutex
	batch *batch // in the queue of the outbox; nil: the next datagram begins one
}

// Batches and their full-sized buffers are shared by all outboxes: a client has one
// for each session, and thousands of pools would keep a buffer each after load.
var (
	batches = sync.Pool{New: func() any { return new(batch) }}
	larges  = sync.Pool{New: func() any { return new([carrier.MaxBatchBytes]byte) }}
)

func newOutbox(sock carrier.Carrier, seal crypt.Sealer, trouble func(int, error)) *outbox {
	o := &outbox{sock: sock, seal: seal, trouble: trouble, wake: make(chan struct{}, 1), done: make(chan struct{})}
	o.late, _ = seal.(crypt.BatchSealer)
	o.room.L = &o.mu
	go o.run()
	return o
}

// put seals packet into the open batch of peer, or lays it there to be sealed.
func (o *outbox) put(peer *Peer, packet []byte) error {
	n := len(packet) + o.seal.Overhead()
	if o.isFull() {
		if err := o.waitForRoom(); err != nil {
			return err
		}
	}
	f := &peer.filling
	f.mu.Lock()
	b, fresh := f.batch, false
	if b == nil || !b.Fits(n) {
		b, fresh = o.newBatch(peer), true
		f.batch = b
	}
	if len(b.Buf)+n > cap(b.Buf) {
		o.enlarge(b)
	}
	if o.late != nil {
		b.Buf = append(b.Buf[:len(b.Buf)+o.seal.Overhead()], packet...)
	} else {
		b.Buf = o.seal.Seal(b.Buf, packet)
	}
	b.Add(n)
	f.mu.Unlock()
	o.queued.Add(int64(n))
	if fresh {
		return o.enqueue(b)
	}
	return nil
}

func (o *outbox) newBatch(peer *Peer) *batch {
	b := batches.Get().(*batch)
	b.peer = peer
	b.Begin(peer.way.Load(), b.small[:])
	return b
}

// enlarge moves a batch to the full size.
func (o *outbox) enlarge(b *batch) {
	b.large = larges.Get().(*[carrier.MaxBatchBytes]byte)
	b.Buf = append(b.large[:0], b.Buf...)
}

func (o *outbox) recycle(b *batch) {
	o.queued.Add(-int64(len(b.Buf)))
	if b.large != nil {
		larges.Put(b.large)
	}
	b.peer, b.large = nil, nil
	b.Begin(nil, nil)
	batches.Put(b)
}

func (o *outbox) enqueue(b *batch) error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return net.ErrClosed
	}
	o.queue = append(o.queue, b)
	alone := !o.busy && len(o.queue) == 1 && o.calm()
	o.busy = o.busy || alone
	o.mu.Unlock()
	if !alone {
		o.rouse()
		return nil
	}
	o.take()
	o.send()
	o.mu.Lock()
	o.busy = false
	more := len(o.queue) > 0 || o.closed
	o.mu.Unlock()
	if more {
		o.rouse()
	}
	return nil
}

// calm tells whether the batch that is begun now may well stay with one datagram;
// o.mu is held.
func (o *outbox) calm() bool {
	now := time.Now()
	if until := now.Add(burstLasts); now.Sub(o.fresh) < burstGap && until.After(o.burst) {
		o.burst = until
	}
	o.fresh = now
	return now.After(o.burst)
}

func (o *outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// isFull tells whether who writes now has to wait.
func (o *outbox) isFull() bool { return o.queued.Load() > maxQueued }

func (o *outbox) waitForRoom() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.isFull() && !o.closed {
		o.room.Wait()
	}
	if o.closed {
		return net.ErrClosed
	}
	return nil
}

// run is the flusher.
func (o *outbox) run() {
	defer close(o.done)
	for range o.wake {
		for o.begin() {
			closed := o.take()
			empty := len(o.taken) == 0
			o.send()
			o.mu.Lock()
			o.busy = false
			o.mu.Unlock()
			if empty {
				if closed {
					return
				}
				break
			}
		}
	}
}

// begin takes the socket for the flusher. It is false where a writer has it, who
// wakes the flusher when he finds more to send.
func (o *outbox) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	free := !o.busy
	o.busy = true
	return free
}

// send sends the batches that were taken, and frees them.
func (o *outbox) send() {
	if len(o.taken) == 0 {
		return
	}
	if o.late != nil {
		for _, b := range o.taken {
			o.late.SealAll(b.Buf, b.Size)
		}
	}
	for _, b := range o.taken {
		o.sending = append(o.sending, &b.Batch)
	}
	if refused, err := o.sock.Send(o.sending); err != nil {
		o.trouble(refused, err)
	}
	for i, b := range o.taken {
		o.recycle(b)
		o.taken[i] = nil
	}
	clear(o.sending)
	o.taken, o.sending = o.taken[:0], o.sending[:0]
	o.mu.Lock() // or a writer between its look at queued and its wait misses it
	o.room.Broadcast()
	o.mu.Unlock()
}

// take takes all batches of the queue from their writers, and tells whether the
// outbox is closed.
func (o *outbox) take() bool {
	o.mu.Lock()
	o.taken = append(o.taken, o.queue...)
	clear(o.queue)
	o.queue = o.queue[:0]
	closed := o.closed
	o.mu.Unlock()
	for _, b := range o.taken {
		f := &b.peer.filling
		f.mu.Lock()
		if f.batch == b {
			f.batch = nil
		}
		f.mu.Unlock()
	}
	return closed
}

// closeGrace is how long the last datagrams may take to get into the kernel.
const closeGrace = 250 * time.Millisecond

// close lets what is queued go out, and ends the flusher. shut closes the
// socket, which frees a flusher that is stuck in it.
func (o *outbox) close(shut func() error) error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.room.Broadcast()
	o.rouse()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-o.done:
	case <-timer.C:
	}
	err := shut()
	<-o.done
	return err
}
