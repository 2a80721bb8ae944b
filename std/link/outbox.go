package link

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/carrier"
)

// maxQueued bounds the bytes that wait for the socket; above it WriteTo waits. The caller
// is the goroutine of kcp-go that sends for a session, and holds no lock then.
const maxQueued = 1 << 20

// A datagram that follows another within burstGap counts as part of a burst. For
// burstLasts after it, the flusher sends all datagrams, and no writer sends its own.
const (
	burstGap   = 20 * time.Microsecond // more than sending one takes
	burstLasts = 5 * time.Millisecond
)

// outbox gathers datagrams for the socket. Writers append to the open batch of the peer
// and wake the flusher. While the flusher is in the kernel, the next batch fills. So load
// makes batches and idleness makes none. A single datagram leaves at once: its writer sends
// it, and the flusher need not wake.
type outbox struct {
	sock    carrier.Carrier
	trouble func(refused int, err error)

	mu     sync.Mutex
	queue  []*batch // in the order of their first datagrams
	closed bool
	busy   bool      // the flusher or a writer is sending
	room   sync.Cond // queued has shrunk, or the outbox is closed

	lastBegun  time.Time // when a batch was last begun
	burstUntil time.Time // until when bursts are expected

	collected []*batch         // being sent; owned by whoever set busy
	sending   []*carrier.Batch // the same, for the carrier

	queued atomic.Int64 // bytes in queue
	wake   chan struct{}
	done   chan struct{}
}

// smallBatch is the first size of a batch, in bytes. It holds one datagram, and most
// batches get no more when little is sent. The second datagram moves the batch to the full
// size.
const smallBatch = 2048

// batch is a run of datagrams to one peer, sealed or yet to be sealed.
type batch struct {
	carrier.Batch
	peer  *Peer
	owner *outbox
	small [smallBatch]byte
	large *[carrier.MaxBatchBytes]byte // holds Buf once small is too small
}

// filling is the batch that takes the next datagram to a peer. Its lock guards the batch
// and its contents, until the outbox collects it.
type filling struct {
	mu    sync.Mutex
	batch *batch // in the queue of the outbox; nil: the next datagram begins one
}

// All outboxes share batches and their full-sized buffers. A client has an outbox for each
// session, and each of thousands of pools would keep a buffer after load.
var (
	batches = sync.Pool{New: func() any { return new(batch) }}
	larges  = sync.Pool{New: func() any { return new([carrier.MaxBatchBytes]byte) }}
)

func newOutbox(sock carrier.Carrier, trouble func(int, error)) *outbox {
	o := &outbox{sock: sock, trouble: trouble, wake: make(chan struct{}, 1), done: make(chan struct{})}
	o.room.L = &o.mu
	go o.run()
	return o
}

// put appends packet to the open batch of peer. It is sealed here, or with its batch before
// that is sent, see sealing.
func (o *outbox) put(peer *Peer, packet []byte) error {
	n := len(packet) + peer.seal.overhead
	if o.isFull() {
		if err := o.waitForRoom(); err != nil {
			return err
		}
	}
	b, isNew := o.fill(peer, packet, n)
	o.queued.Add(int64(n))
	if isNew {
		return o.enqueue(b)
	}
	return nil
}

// fill appends packet, as a datagram of n bytes, to the open batch of peer or to a new one,
// which the caller must put into the queue.
func (o *outbox) fill(peer *Peer, packet []byte, n int) (b *batch, isNew bool) {
	f := &peer.filling
	f.mu.Lock()
	defer f.mu.Unlock() // whoever sends for all peers takes it, too
	if b = f.batch; b == nil || b.owner != o || !b.Fits(n) {
		b, isNew = o.newBatch(peer), true
	}
	if len(b.Buf)+n > cap(b.Buf) {
		o.enlarge(b)
	}
	peer.seal.add(&b.Batch, packet)
	f.batch = b
	return b, isNew
}

func (o *outbox) newBatch(peer *Peer) *batch {
	b := batches.Get().(*batch)
	b.peer, b.owner = peer, o
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
	b.peer, b.owner, b.large = nil, nil, nil
	b.Begin(nil, nil)
	batches.Put(b)
}

// enqueue puts a batch into the queue, and has it sent by the flusher or sends it itself.
func (o *outbox) enqueue(b *batch) error {
	alone, err := o.push(b)
	switch {
	case err != nil:
		return err
	case alone:
		o.sendInPlace()
	default:
		o.wakeFlusher()
	}
	return nil
}

// push puts a batch into the queue. alone tells whether the caller has to send it, for whom
// the socket is reserved then.
func (o *outbox) push(b *batch) (alone bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false, net.ErrClosed
	}
	o.queue = append(o.queue, b)
	alone = !o.busy && len(o.queue) == 1 && o.calm()
	o.busy = o.busy || alone
	return alone, nil
}

// sendInPlace sends what is queued in the flusher's place. After a panic, which ends one
// conversation, the flusher sends what the others have.
func (o *outbox) sendInPlace() {
	defer func() {
		if o.release() {
			o.wakeFlusher()
		}
	}()
	o.collect()
	o.send()
}

// calm tells whether the batch that begins now is likely to get no second datagram.
// o.mu is held.
func (o *outbox) calm() bool {
	now := time.Now()
	if until := now.Add(burstLasts); now.Sub(o.lastBegun) < burstGap && until.After(o.burstUntil) {
		o.burstUntil = until
	}
	o.lastBegun = now
	return now.After(o.burstUntil)
}

// wakeFlusher makes the flusher look at the queue. It never waits: one pending wake is
// enough for any number of batches.
func (o *outbox) wakeFlusher() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// isFull tells whether a writer has to wait now.
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
		for o.acquire() {
			closed := o.collect()
			empty := len(o.collected) == 0
			o.send()
			o.release()
			if empty {
				if closed {
					return
				}
				break
			}
		}
	}
}

// acquire reserves the socket for the flusher. It is false if a writer is sending, who
// wakes the flusher afterwards if there is more to send.
func (o *outbox) acquire() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	free := !o.busy
	o.busy = true
	return free
}

// release makes the socket free for others. more tells whether the flusher has something to
// do.
func (o *outbox) release() (more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = false
	return len(o.queue) > 0 || o.closed
}

// send sends the collected batches.
func (o *outbox) send() {
	if len(o.collected) == 0 {
		return
	}
	defer o.discard()
	for _, b := range o.collected {
		b.peer.seal.finish(&b.Batch)
		o.sending = append(o.sending, &b.Batch)
	}
	if refused, err := o.sock.Send(o.sending); err != nil {
		o.trouble(refused, err)
	}
}

// discard recycles the collected batches: they were sent, or are lost by a panic.
func (o *outbox) discard() {
	for i, b := range o.collected {
		o.recycle(b)
		o.collected[i] = nil
	}
	clear(o.sending)
	o.collected, o.sending = o.collected[:0], o.sending[:0]
	o.mu.Lock() // otherwise a writer that has read queued, and does not wait yet, would miss it
	defer o.mu.Unlock()
	o.room.Broadcast()
}

// collect empties the queue and closes its batches to their writers. It tells whether the
// outbox is closed.
func (o *outbox) collect() (closed bool) {
	closed = o.takeQueue()
	for _, b := range o.collected {
		b.peer.filling.end(b)
	}
	return closed
}

// takeQueue moves what is queued to what is collected.
func (o *outbox) takeQueue() (closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.collected = append(o.collected, o.queue...)
	clear(o.queue)
	o.queue = o.queue[:0]
	return o.closed
}

// end closes a batch to its writers.
func (f *filling) end(b *batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.batch == b {
		f.batch = nil
	}
}

// closeGrace is how long the kernel may take to accept the last datagrams.
const closeGrace = 250 * time.Millisecond

// close sends what is queued, and ends the flusher. shut closes the socket, which frees a
// flusher that is stuck in it.
func (o *outbox) close(shut func() error) error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.room.Broadcast()
	o.wakeFlusher()
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
