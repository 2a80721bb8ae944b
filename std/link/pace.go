package link

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// pacer decides when datagrams leave for a peer. It comes before error correction, and no
// lock is held while a datagram waits. The rate limit is the only one here: mode auto
// paces in package arq, which sees round trips and losses.
type pacer interface {
	// delay counts a datagram of n bytes, and returns how long it has to wait.
	delay(n int) time.Duration
}

// rateLimit is the pacer of --ratelimit, for one peer.
type rateLimit struct{ *rate.Limiter }

// rateBurst is what kcp-go's own limiter grants: 64 full datagrams.
const rateBurst = 64 * MaxDatagram

func newRateLimit(bytesPerSecond int) rateLimit {
	return rateLimit{rate.NewLimiter(rate.Limit(bytesPerSecond), rateBurst)}
}

func (r rateLimit) delay(n int) time.Duration {
	reserved := r.ReserveN(time.Now(), n)
	if !reserved.OK() {
		return 0 // larger than rateBurst: no datagram is
	}
	return reserved.Delay()
}

// pacing holds datagrams to a peer back until its pacer lets them leave. The pacer is set
// before the peer is shared, and does its own locking.
type pacing struct {
	pacer   pacer        // nil: nothing waits
	waiting atomic.Int32 // datagrams that are held back
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
