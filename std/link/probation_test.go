package link

import (
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/clock"
)

// A copy of a client's packet that came first, from the address of a victim, made the server
// send a download there at full speed, until the client's next packet.
func TestNewAddressGetsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, p := livingAt(t)
		far := server.sock.(*fakeCarrier)
		far.peer = nil
		sent, stamp := 0, uint32(1<<20)
		far.onSend = func(d []byte) { sent += len(d) }
		download := func() int {
			sent = 0
			for range 1000 {
				stamp++
				if _, err := server.WriteTo(stamped(seg(7, 81, 9, 3, string(make([]byte, 1200))), stamp), p); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			return sent
		}
		hear := func(packet []byte, n int) {
			t.Helper()
			if server.in.now = clock.Now(); !hears(server, packet, addrNumber(n)) || p.addr() != addrNumber(n) {
				t.Fatalf("the client is not at address %d", n)
			}
		}
		if n := download(); n < 1_000_000 {
			t.Fatalf("%d bytes are sent before it moves", n)
		}
		hear(seg(7, 81, 3, 5, "data"), 2)
		if n := download(); n == 0 || n > probationBurst {
			t.Errorf("%d bytes are sent to an address that has not answered", n)
		}
		hear(stamped(seg(7, 81, 3, 5, "data"), 1), 2)
		if n := download(); n > probationShare*100 {
			t.Errorf("%d bytes are sent for a packet", n)
		}
		time.Sleep(probationEvery)
		if n := download(); n == 0 || n > probationBurst {
			t.Errorf("%d bytes are sent a second later", n)
		}
		hear(stamped(seg(7, 82, 9, 5, ""), p.ledger.sndStamp.Load()-77), 2)
		if n := download(); n < 1_000_000 {
			t.Errorf("%d bytes are sent after it has answered", n)
		}
		// Whoever is drawn away and comes back is known.
		hear(seg(7, 81, 4, 5, "data"), 3)
		hear(seg(7, 81, 5, 5, "data"), 2)
		if n := download(); n < 1_000_000 {
			t.Errorf("%d bytes are sent to where it was before", n)
		}
		// Drawn away again and again, it gets no more.
		time.Sleep(probationEvery)
		total := 0
		for i := range 10 {
			hear(seg(7, 81, uint32(6+i), 5, "data"), 4+i%2)
			total += download()
		}
		if total == 0 || total > probationBurst+10*probationShare*100 {
			t.Errorf("%d bytes are sent to addresses that have not answered", total)
		}
	})
}

// A client that moves before anything was sent to it proves with any answer that it hears us:
// the stamps may begin anywhere. Half of these clients stayed on probation for days.
func TestProbationBeforeAnythingWasSent(t *testing.T) {
	for _, first := range []uint32{1 << 30, 3 << 30} {
		server := listening(t)
		hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
		p := server.in.last
		if hears(server, seg(7, 81, 1, 0, "data"), addrNumber(2)); p.addr() != addrNumber(2) || !p.probation.on.Load() {
			t.Fatal("it has not moved, or is not on probation")
		}
		p.sent(parsed(stamped(seg(7, 81, 0, 2, "data"), first)))
		hears(server, stamped(seg(7, 82, 0, 1, ""), first), addrNumber(2))
		if p.probation.on.Load() {
			t.Errorf("it has answered to %d, and is on probation", first)
		}
	}
}
