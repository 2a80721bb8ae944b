package link

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/crypt"
)

// FuzzIntake has both kinds of links receive packets of anybody in any order, as they come
// without a seal. What they hand on has the shape of a packet, of the conversation that it is
// handed on for.
func FuzzIntake(f *testing.F) {
	packets := func(list ...[]byte) (script []byte) {
		for _, p := range list {
			script = append(append(script, byte(len(p)), 1), p...)
		}
		return script
	}
	first, ack := seg(7, 81, 0, 0, "data"), stamped(seg(7, 82, 0, 1, ""), stampGap)
	f.Add(packets(first, ack, seg(7, 81, 1, 1, "data"), seg(7, 84, 9, 0, ""), seg(7, 83, 0, 1, "")))
	f.Add(packets(first, stamped(seg(7, 81, 1, 0, "data"), 1<<30), seg(7, 81, 2, 0, "data"), seg(8, 81, 0, 0, "data")))
	f.Add(packets(codedGroup(2, pushes(7, 3)...)...))
	f.Add(packets(withFEC(0xf3, []byte{7, 0, 0, 0, 'x'}), join(ack, seg(7, 81, 9, 1, "")), seg(7, 82, 1, 2, "\xff\xff")))
	f.Fuzz(func(t *testing.T, script []byte) {
		opt, _ := options(crypt.Plain{})
		opt.DataShards, opt.ParityShards, opt.MTU = 3, 2, 1350
		near, far := fakePair()
		client, server := fakeConns(t, nobody(near), nobody(far), opt)
		beginAt(client, 7)
		defer client.Close()
		defer server.Close()
		now := clock.Now()
		for len(script) >= 2 {
			size, step := min(int(script[0]), len(script)-2), script[1]
			packet := script[2:][:size]
			script = script[2+size:]
			now += time.Duration(step) * time.Duration(step) * 10 * time.Millisecond
			from := addrNumber(int(step % 4))
			receiveAll(t, server, packet, from, now)
			receiveAll(t, client, packet, fakeServerAddr, now)
			if p := server.in.last; p != nil {
				_, _ = server.WriteTo(seg(p.Conv(), 81, p.ledger.sndNext.Load(), p.ledger.rcvNext.Load(), "answer"), p)
			}
		}
	})
}

// receiveAll has a link receive a packet, and checks what it hands on.
func receiveAll(t *testing.T, c *Conn, packet []byte, from netip.AddrPort, now time.Duration) {
	check := func(got []byte, p *Peer) {
		if h, ok := ParsePacket(got); !ok || h.Kind != Segments || h.Framed || !p.owns(&h) {
			t.Errorf("%x is handed on as %x, for %v", packet, got, p)
		}
	}
	in := &carrier.Inbound{Data: bytes.Clone(packet), Size: len(packet), From: from}
	c.in.now = now
	if got, p := c.in.admit(in.Data, in); p != nil {
		check(got, p)
	}
	for len(c.in.restored) > 0 {
		check(c.in.nextRestored(), c.in.last)
	}
}
