package link

import (
	"time"

	"golang.org/x/time/rate"
)

// pacer decides when datagrams leave for a peer. It comes before error correction, and no
// lock is held while a datagram waits. The rate limit is the one that there is: mode auto
// paces in package arq, which sees round trips and losses.
type pacer interface {
	// delay takes note of a datagram of n bytes, and tells how long it has to wait.
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

// pace waits until a datagram may leave. It is false when the link was closed meanwhile.
func (p *Peer) pace(size int) bool {
	if p.pacer == nil {
		return true
	}
	wait := p.pacer.delay(size)
	if wait == 0 {
		return true
	}
	p.paced.Add(1)
	defer p.paced.Add(-1)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.stop:
		return false
	}
}

// charge takes note of a datagram that leaves without waiting, as parity does behind its
// packet: what follows waits for it.
func (p *Peer) charge(size int) {
	if p.pacer != nil {
		p.pacer.delay(size)
	}
}
