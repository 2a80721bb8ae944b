package link

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/clock"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// To kcp-go, the time that the other end has slept is no round trip. It used to be, and
// what was lost when the other end went on was sent again after up to a minute.
func TestOutageIsNoRoundTrip(t *testing.T) {
	const (
		conv   = 7
		outage = 30_000 // ms
	)
	for name, c := range map[string]struct {
		age  uint32 // of what is acknowledged, ms
		want bool   // it counts as a round trip
	}{
		"sent before it":        {outage, false},
		"sent long before":      {2 * outage, false},
		"sent amid it":          {outage / 2, false},
		"sent when it ends":     {outageTail / 2, true},
		"sent after it went on": {0, true},
	} {
		t.Run(name, func(t *testing.T) {
			opt, _ := options(crypt.Plain{})
			near, far := fakePair()
			l := &noted{Conn: newConn(near, opt, far.addr)}
			t.Cleanup(func() { l.Close() })
			k, err := kcp.NewConn4(conv, l.Peer(), nil, 0, 0, false, l)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { k.Close() })
			tune(k, l.Conn)
			k.SetNoDelay(0, 5000, 0, 1) // nothing is sent twice
			answer := func(sn, age uint32, silence time.Duration) {
				t.Helper()
				if _, err := k.Write([]byte{'x'}); err != nil {
					t.Fatal(err)
				}
				push := testkit.Within(t, "data", far.inbox).Data
				ack := seg(conv, 82, sn, sn+1, "")
				binary.LittleEndian.PutUint32(ack[8:], binary.LittleEndian.Uint32(push[8:])-age)
				aged(l.Peer())
				l.Peer().ledger.heard.Add(-int64(silence))
				near.deliver(ack, fakeServerAddr)
				testkit.Eventually(t, "the answer is dealt with", func() bool { return l.asked.Load() > int64(sn)+1 })
			}
			answer(0, 0, 0)
			before := k.GetSRTT()
			answer(1, c.age, outage*time.Millisecond)
			if after := k.GetSRTT(); (after != before) != c.want && c.age > 0 || after >= outage/8/2 {
				t.Errorf("the round trip was %d ms and is %d ms", before, after)
			}
		})
	}
}

// It does not matter which end has slept: if we have, nothing was sent meanwhile. An outage
// is over some time after its end: an acknowledgement counts whatever its stamp, which wraps.
func TestOutagePasses(t *testing.T) {
	p := newPeers(netip.MustParseAddrPort("192.0.2.1:5"), Options{Sealer: crypt.Plain{}}, nil).only
	const stamp = 100_000
	p.sent(&Packet{Kind: Segments, Conv: 1, Push: true, Next: 1, Stamp: stamp})
	l, began := &p.ledger, clock.Now()
	l.heard.Store(int64(began))
	ended := began + time.Minute
	l.endOutage(int64(began), ended)
	ack := &Packet{Kind: Segments, Conv: 1, Acked: true, AckStamp: stamp}
	if !l.isOfOutage(ack, ended) || !l.isOfOutage(ack, ended+outageAcks-1) {
		t.Error("an acknowledgement of the outage counts")
	}
	late := &Packet{Kind: Segments, Conv: 1, Acked: true, AckStamp: stamp + millis(time.Minute) - outageTail/2}
	if l.isOfOutage(late, ended) {
		t.Error("one of its end does not count")
	}
	if l.isOfOutage(ack, ended+outageAcks) {
		t.Error("an outage is not over")
	}
}
