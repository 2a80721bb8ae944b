package link

import (
	"encoding/binary"
	"strings"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/crypt"
)

// BenchmarkPackets is what the link does for each packet of a bulk transfer besides error
// correction, sealing and the socket: where it is received, and where it is sent.
func BenchmarkPackets(b *testing.B) {
	data := seg(1, cmdPush, 0, 0, strings.Repeat("x", 1300))
	for _, way := range []string{"in", "out"} {
		b.Run(way, func(b *testing.B) {
			opt, _ := options(crypt.Plain{})
			opt.MTU = 1350
			client, server := fakePair()
			c, s := fakeConns(b, client, server, opt)
			client.peer = nil
			peer := peerOf(s, fakeClientAddr, 1)
			peer.confirmation.done.Store(true)
			in := &carrier.Inbound{Data: data, Size: len(data), From: fakeClientAddr}
			c.Peer().sizing.size.Store(1350)
			s.in.last = peer
			b.ReportAllocs()
			var h Packet
			for i := range b.N {
				sn := uint32(i)
				binary.LittleEndian.PutUint32(data[offsetSN:], sn)
				binary.LittleEndian.PutUint32(data[offsetTS:], sn/128)
				if way == "out" {
					c.prepare(data, c.Peer(), &h)
					c.Peer().ledger.sndUna.Store(sn)
					continue
				}
				if i%16 == 0 {
					s.in.now = clock.Now()
				}
				if _, p := s.in.admit(data, in); p == nil {
					b.Fatal("dropped")
				}
				peer.ledger.rcvUna.Store(sn + 1)
			}
		})
	}
}
