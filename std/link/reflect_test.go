package link

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// Both ends seal with the same key. Somebody who sent each of them what it had sent itself,
// from the address of the other, put the bytes of one direction into the other, and had
// segments acknowledged that had never arrived.
func TestSessionSurvivesItsOwnDatagrams(t *testing.T) {
	for _, shards := range [][2]int{{0, 0}, {10, 3}} {
		for _, attacked := range []string{"client", "server"} {
			t.Run(fmt.Sprint(attacked, shards), func(t *testing.T) {
				opt, _ := options(newAES())
				opt.DataShards, opt.ParityShards = shards[0], shards[1]
				near, far := fakePair()
				if attacked == "client" {
					near.onSend = func(d []byte) { near.deliver(d, far.addr) }
				} else {
					far.onSend = func(d []byte) { far.deliver(d, near.addr) }
				}
				client, server := fakeConns(t, near, far, opt)
				c, s := sessions(t, client, server)
				exchange(t, c, s, 300_000)
				if opt.Stats.Strays.Load() == 0 {
					t.Error("nothing was refused")
				}
			})
		}
	}
}

// state is what the packets of a peer may change.
func (l *ledger) state() [6]int64 {
	return [6]int64{
		int64(l.sndUna.Load()), int64(l.sndSacked.Load()), int64(l.window()),
		int64(l.rcvNext.Load()), int64(l.rcvStamp.Load()), l.heard.Load(),
	}
}

// What was sent from here changes nothing here. A report of a window does not show where it
// was sent, so it acknowledges nothing.
func TestReflectedPackets(t *testing.T) {
	own := func(packet []byte) []byte { return ofServer(packet) }
	for _, c := range []struct {
		name   string
		packet []byte // as the server sends it to the client of livingAt
	}{
		{"data", own(seg(7, 81, 9, 3, "data"))},
		{"data behind an acknowledgement", join(seg(7, 82, 2, 3, ""), own(seg(7, 81, 9, 3, "data")))},
		{"data that acknowledges more than was sent", own(seg(7, 81, 3, 9, "data"))},
		{"data with FEC", withFEC(0xf1, own(seg(7, 81, 9, 3, "data")))},
		{"an acknowledgement", seg(7, 82, 9, 9, "")},
		{"an acknowledgement of data to come", stamped(seg(7, 82, 9, 9, ""), 1000)},
	} {
		server, p := livingAt(t)
		before := p.ledger.state()
		server.in.now = clock.Now() + time.Second
		if hears(server, c.packet, addrNumber(1)) || p.ledger.state() != before || server.opt.Stats.Strays.Load() == 0 {
			t.Errorf("%s: admitted, or %v became %v", c.name, before, p.ledger.state())
		}
	}
	for _, cmd := range []byte{83, 84} {
		server, p := livingAt(t)
		got := packetFrom(server, seg(7, cmd, 0, 9, ""), addrNumber(1))
		if want := seg(7, cmd, 0, 5, ""); !bytes.Equal(got, want) || p.ledger.sndUna.Load() != 5 {
			t.Errorf("command %d: KCP gets\n%x, want\n%x; una is %d", cmd, got, want, p.ledger.sndUna.Load())
		}
	}
}

// The same at a client.
func TestClientRefusesItsOwnPackets(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	client, _ := fakeConns(t, near, far, opt)
	p := client.Peer()
	for sn := range uint32(5) {
		p.sent(parsed(seg(7, 81, sn, 0, "data")))
	}
	for _, heard := range []bool{false, true} {
		if heard {
			hears(client, ofServer(seg(7, 81, 0, 1, "data")), far.addr)
		}
		before := p.ledger.state()
		for _, packet := range [][]byte{seg(7, 81, 2, 0, "data"), ofServer(seg(7, 82, 0, 1, ""))} {
			if hears(client, packet, far.addr) || p.ledger.state() != before {
				t.Errorf("after data of the server %v: %x is admitted, or %v became %v", heard, packet, before, p.ledger.state())
			}
		}
	}
}

// Whatever the clocks of the two ends show, all that the other end sends is admitted for as
// long as a session lasts, and what an end has sent itself is refused.
func TestClocksOfEnds(t *testing.T) {
	const day = 24 * 60 * 60 * 1000
	for _, ahead := range []uint32{stampGap, 2 * stampGap, 3*stampGap - 1} { // of the client
		server := listening(t)
		client := uint32(day)
		push := func(stamp uint32, sn, una uint32) []byte {
			return stamped(seg(7, 81, sn, una, "data"), stamp)
		}
		hears(server, push(client, 0, 0), addrNumber(1))
		p := server.in.last
		p.shift.Store(ahead)
		in := server.in
		for sn := range uint32(100) { // a day between any two
			passed := sn * day
			p.sent(parsed(push(client+ahead+passed, sn, sn+1)))
			in.now = time.Duration(passed) * time.Millisecond
			admitted := func(packet []byte) bool {
				return in.recognise(parsed(packet), packet, &carrier.Inbound{From: addrNumber(1)})
			}
			if admitted(push(client+ahead+passed, sn+1, sn)) {
				t.Fatalf("ahead by %d, day %d: what we have sent is admitted", ahead, sn)
			}
			ack := stamped(seg(7, 82, sn, sn+1, ""), client+ahead+passed)
			for _, packet := range [][]byte{ack, push(client+passed, sn+1, sn+1)} {
				if !admitted(packet) {
					t.Fatalf("ahead by %d, day %d: %x is refused", ahead, sn, packet)
				}
				p.received(parsed(packet), in.now, addrNumber(1).Addr())
			}
		}
	}
}

// A listening link draws its stamps away from those of the client, and never the same ones.
func TestOriginsOfStamps(t *testing.T) {
	drawn := make(map[uint32]bool)
	for range 100 {
		_, p, data := rerun(t)
		stamp := parsed(data).Stamp
		if apart := stamp - p.ledger.rcvStamp.Load(); apart < stampGap || apart > 3*stampGap {
			t.Errorf("%d apart", apart)
		}
		drawn[stamp] = true
	}
	if len(drawn) < 99 {
		t.Errorf("%d different origins in 100", len(drawn))
	}
	opt, _ := options(crypt.Plain{})
	first, second := dialTo(t, opt, "127.0.0.1:9"), dialTo(t, opt, "127.0.0.1:9")
	if first.Peer().shift.Load() == second.Peer().shift.Load() {
		t.Error("two clients have one origin")
	}
}

// A recording of what the other end has sent, played again, is no sign of life.
func TestReplayIsNoSignOfLife(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	client, _ := fakeConns(t, near, far, opt)
	p := client.Peer()
	for sn := range uint32(5) {
		p.sent(parsed(seg(7, 81, sn, 0, "data")))
	}
	recording := [][]byte{
		seg(7, 82, 0, 1, ""), ofServer(seg(7, 81, 0, 1, "data")), seg(7, 82, 2, 1, ""), ofServer(seg(7, 81, 1, 2, "data")), seg(7, 84, 0, 1, ""),
	}
	play := func(at time.Duration) {
		for _, packet := range recording {
			d := bytes.Clone(packet)
			client.in.now = at
			client.in.admit(d, &carrier.Inbound{Data: d, From: far.addr})
		}
	}
	began := clock.Now()
	play(began)
	if heard := time.Duration(p.ledger.heard.Load()); heard != began {
		t.Fatalf("heard at %v, want %v", heard, began)
	}
	play(began + time.Hour)
	if heard := time.Duration(p.ledger.heard.Load()); heard != began {
		t.Errorf("a recording is heard %v later", heard-began)
	}
	for _, c := range []struct {
		name   string
		packet []byte
	}{
		{"data sent again", stamped(ofServer(seg(7, 81, 1, 2, "data")), 1)},
		{"new data", ofServer(seg(7, 81, 2, 2, "data"))},
		{"an acknowledgement of something more", seg(7, 82, 3, 2, "")},
	} {
		began += time.Minute
		d := bytes.Clone(c.packet)
		client.in.now = began
		client.in.admit(d, &carrier.Inbound{Data: d, From: far.addr})
		if heard := time.Duration(p.ledger.heard.Load()); heard != began {
			t.Errorf("%s is not heard", c.name)
		}
	}
	testkit.Eventually(t, "answered", func() bool {
		select {
		case <-p.Answered():
			return true
		default:
			return false
		}
	})
}
