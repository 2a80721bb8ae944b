package link

import (
	"net/netip"
	"testing"
	"time"

	"kcptun/std/clock"
	"kcptun/std/crypt"
)

// A peer lives that acknowledges something new. One that says the same again, as a
// recording does, has not been heard; but where it has no room it has nothing else to
// say, and says it seldom. A recording of that used to keep a dead session for good.
func TestLifeless(t *testing.T) {
	const minute = time.Minute
	p := newPeers(netip.MustParseAddrPort("192.0.2.1:5"), Options{Sealer: crypt.Plain{}}, nil).only
	p.sent(&Packet{Kind: Segments, Conv: 1, Push: true, Next: 10})
	began := clock.Now()
	hear := func(at time.Duration, una uint32, room uint16) {
		p.received(&Packet{Kind: Segments, Conv: 1, Una: una, Window: room}, began+at, netip.Addr{})
	}
	for _, c := range []struct {
		name string
		at   time.Duration
		una  uint32
		room uint16
		want time.Duration // how long ago
	}{
		{"acknowledged", -300 * minute, 3, 100, 300 * minute},
		{"has no room, or a recording says so, for more than an hour", -1 * minute, 3, 0, 300 * minute},
		{"acknowledged", -60 * minute, 5, 100, 60 * minute},
		{"said the same again", -50 * minute, 5, 100, 60 * minute},
		{"said something older", -45 * minute, 4, 100, 60 * minute},
		{"acknowledged more", -40 * minute, 6, 100, 40 * minute},
		{"has no room", -30 * minute, 6, 0, 38 * minute},
		{"answered a probe", -1 * minute, 6, 0, -1 * minute},
	} {
		hear(c.at, c.una, c.room)
		if got := p.Lifeless(); got < c.want || got > c.want+minute/2 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
