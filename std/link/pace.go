package link

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"kcptun/std/clock"
)

// pacer decides when datagrams leave for a peer. It comes before error correction, and no
// lock is held while a datagram waits. The rate limit is the only one here: mode auto
// paces in package arq, which sees round trips and losses.
type pacer interface {
	// delay counts a datagram of n bytes, and returns how long it has to wait.
	delay(n int) time.Duration
	// admit counts n bytes that are new to KCP, and returns how long they have to wait.
	admit(n int) time.Duration
	// idle tells whether a datagram could leave at once.
	idle() bool
	// backlog is how far behind its stamp a segment may leave before new ones have to wait.
	backlog() time.Duration
}

// rateLimit is the pacer of --ratelimit, for one peer.
type rateLimit struct {
	*rate.Limiter
	intake *rate.Limiter // of new data; what error correction and retransmissions add is in the other one
}

// rateBurst is what kcp-go's own limiter grants: 64 full datagrams.
const rateBurst = 64 * MaxDatagram

func newRateLimit(bytesPerSecond int) rateLimit {
	r := rate.Limit(bytesPerSecond)
	return rateLimit{rate.NewLimiter(r, rateBurst), rate.NewLimiter(r, rateBurst)}
}

func (r rateLimit) delay(n int) time.Duration {
	reserved := r.ReserveN(time.Now(), n)
	if !reserved.OK() {
		return 0 // larger than rateBurst: no datagram is
	}
	return reserved.Delay()
}

func (r rateLimit) idle() bool { return r.Tokens() >= MaxDatagram }

// admit counts n bytes that are new to KCP, and returns how long they have to wait. Without
// it, a writer would fill KCP's window before the first of it could be seen to be late. New
// data has no burst of its own: it may have what is left of that of the datagrams.
func (r rateLimit) admit(n int) time.Duration {
	now := time.Now()
	if more := r.intake.TokensAt(now) - max(0, r.TokensAt(now)); more >= 1 {
		r.intake.ReserveN(now, int(more))
	}
	return r.intake.ReserveN(now, min(n, rateBurst)).DelayFrom(now)
}

// maxBacklog is long enough to use the limit while a writer sleeps, and adds little to an
// echo. backlogPackets is half of the queue of kcp-go, which drops what does not fit (its
// devBacklog); retransmissions have the other half.
const (
	maxBacklog     = 100 * time.Millisecond
	backlogPackets = 1024
)

func (r rateLimit) backlog() time.Duration {
	return min(maxBacklog, time.Duration(backlogPackets*MaxDatagram/float64(r.Limit())*float64(time.Second)))
}

// pacing holds datagrams to a peer back until its pacer lets them leave. The pacer is set
// before the peer is shared, and does its own locking.
type pacing struct {
	pacer   pacer        // nil: nothing waits
	waiting atomic.Int32 // datagrams that are held back
	entries atomic.Int32 // writes that wait in AwaitRate
	opens   atomic.Int64 // when new data may come again, by std/clock: the latest segment has left too late
}

// wait waits until a datagram may leave. It is false if stop was closed in the meantime.
func (p *pacing) wait(size int, stop <-chan struct{}) bool {
	if p.pacer == nil {
		return true
	}
	delay := p.pacer.delay(size)
	if delay == 0 {
		return true
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	}
}

// charge counts a datagram that leaves without waiting, as parity does behind its packet:
// the datagrams after it wait longer.
func (p *pacing) charge(size int) {
	if p.pacer != nil {
		p.pacer.delay(size)
	}
}

// AwaitRate waits until KCP had better be given n more bytes: while the rate limit of the
// peer holds much back, they would only queue in kcp-go, be sent again before they have left,
// and be dropped if they do not fit into that queue. It is false if stop was closed in the
// meantime.
func (p *Peer) AwaitRate(n int, stop <-chan struct{}) bool {
	pacer := p.pacing.pacer
	if pacer == nil {
		return true
	}
	p.pacing.entries.Add(1)
	defer p.pacing.entries.Add(-1)
	wait := pacer.admit(n)
	for {
		if more := time.Duration(p.pacing.opens.Load()) - clock.Now(); more > 0 && (p.pacing.waiting.Load() > 0 || !pacer.idle()) {
			wait = max(wait, min(more, maxBacklog))
		}
		if wait == 0 {
			return true
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
			wait = 0
		case <-stop:
			t.Stop()
			return false
		}
	}
}

// hasLeft records how late a packet has left, of a peer with a rate limit. That delays new data
// by as much as it was too late, and by maxBacklog at most: if new data is the cause, the next
// segment prolongs the delay, and if acknowledgements use all of the limit, no segment may
// leave that would show another one.
func (p *Peer) hasLeft(h *Packet) {
	if h.Push {
		now := clock.Now()
		late := time.Duration(int32(millis(now)+p.ledger.sndClock.Load()-h.Stamp)) * time.Millisecond
		p.pacing.opens.Store(int64(now + min(late-p.pacing.pacer.backlog(), maxBacklog)))
	}
}
