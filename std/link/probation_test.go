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
