package link

import (
	"sync/atomic"
	"time"
)

// outage is a time in which nothing came from the peer although it had something to
// acknowledge: it slept, or we did, or the path was cut. What was sent before the end may be
// waiting in its socket, or its acknowledgement in ours. kcp-go would take the outage for a
// round trip, and retransmit what is lost at that moment after up to a minute.
type outage struct {
	ended atomic.Int64  // when, by std/clock; notYet if there was none
	sent  atomic.Uint32 // data with an earlier stamp may have waited for the end
}

const (
	outageLeast = 5 * time.Second // longer than any round trip
	outageAcks  = time.Minute     // how long after its end acknowledgements of that time may come
	outageTail  = 2000            // the last milliseconds of the outage; their round trips are believed
)

// endOutage records the end of an outage if the packet that came now is one. before is when
// the one before it came.
func (l *ledger) endOutage(before int64, now time.Duration) {
	if before != notYet && now-time.Duration(before) >= outageLeast && l.inFlight() > 0 {
		l.outage.sent.Store(l.sndClock.Load() + millis(now) - outageTail)
		l.outage.ended.Store(int64(now))
	}
}

// isOfOutage tells whether a packet acknowledges what was sent in the outage, or before it.
func (l *ledger) isOfOutage(h *Packet, now time.Duration) bool {
	ended := l.outage.ended.Load()
	return h.Acked && ended != notYet && now-time.Duration(ended) < outageAcks && after(l.outage.sent.Load(), h.AckStamp)
}
