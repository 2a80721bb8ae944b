package link

import "time"

// An outage is a time in which nothing comes from the peer though something is to be
// acknowledged: it sleeps, or the path is cut. What was sent meanwhile may wait in its
// socket, and is acknowledged when it goes on. To kcp-go the outage would be a round trip,
// and the timeout by it up to a minute: what is lost just then would be sent again after
// that.
const (
	outageLeast = 5 * time.Second // longer than any round trip
	outageLasts = time.Minute     // for so long after it, acknowledgements of that time come
	outageTail  = 1000            // ms of the outage's end whose round trips are believed
)

// resume takes note of the end of an outage, where the packet that came now is one. before
// is when the last one came.
func (p *Peer) resume(before int64, now time.Duration) {
	if before != unheard && now-time.Duration(before) >= outageLeast && p.InFlight() > 0 {
		p.outage.Store(p.lastStamp.Load() - outageTail)
		p.resumed.Store(int64(now))
	}
}

// isOfOutage tells whether a packet acknowledges what was sent in an outage, or before it.
func (p *Peer) isOfOutage(h Packet, now time.Duration) bool {
	at := p.resumed.Load()
	return h.Acked && at != unheard && now-time.Duration(at) < outageLasts && after(p.outage.Load(), h.AckStamp)
}
