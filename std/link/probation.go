package link

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Somebody may copy a packet of a client, and have the copy arrive first from an address that
// is not the client's. The conversation then moves there, until the client's next packet. So
// that no download is aimed at that address, little is sent to it until it shows that it
// hears us: until something is acknowledged that was sent after the move. The burst is what a
// rate limit lets pass at once, so that a client that has really moved hardly notices. Three
// bytes for each one received are what QUIC allows (RFC 9000, section 8).
const (
	probationBurst = rateBurst // bytes in each probationEvery
	probationEvery = time.Second
	probationShare = 3 // bytes for each byte received
)

// probation limits what is sent to an address to which a peer has moved. The lock guards what
// is not atomic.
type probation struct {
	on atomic.Bool

	mu        sync.Mutex
	known     netip.AddrPort // where the peer was heard last that was not on probation
	begun     bool           // something was sent before the move
	since     uint32         // the latest stamp of that
	budget    int            // bytes that may be sent
	filled    time.Duration  // when the budget was last full, by std/clock
	wasFilled bool           // it was full once, so filled is a time
}

// begin begins a probation, unless the peer has returned to where it was before. stamp is the
// latest that was sent, if begun.
func (o *probation) begin(from, to netip.AddrPort, begun bool, stamp uint32, now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on.Load() {
		o.known = from
	}
	if to == o.known {
		o.on.Store(false)
		return
	}
	o.begun, o.since, o.budget = begun, stamp, min(o.budget, probationBurst)
	o.fill(now)
	o.on.Store(true)
}

// fill gives a burst for each probationEvery, however often the peer moves. The lock is held.
func (o *probation) fill(now time.Duration) {
	if !o.wasFilled || now-o.filled >= probationEvery {
		o.wasFilled, o.budget, o.filled = true, max(o.budget, probationBurst), now
	}
}

// received counts a packet of the peer, and ends the probation if that is an answer.
func (o *probation) received(h *Packet, size int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.budget += probationShare * size
	if h.Acked && (!o.begun || after(h.AckStamp, o.since)) {
		o.on.Store(false)
	}
}

// allows tells whether a datagram may be sent, and counts it.
func (o *probation) allows(size int, now time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fill(now)
	if o.budget < size {
		return false
	}
	o.budget -= size
	return true
}
