package link

import "time"

// pace waits until size more bytes are within the peer's rate limit. It is false
// when the link was closed meanwhile.
func (p *Peer) pace(size int) bool {
	if p.limit == nil {
		return true
	}
	r := p.limit.ReserveN(time.Now(), size)
	if !r.OK() {
		return true // larger than the burst: cannot be, see newPeer
	}
	wait := r.Delay()
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
