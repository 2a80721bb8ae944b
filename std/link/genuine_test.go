package link

import (
	"net/netip"
	"testing"

	"kcptun/std/carrier"
	"kcptun/std/clock"
)

// pathBook counts how often a path is confirmed, and by what cannot be a recording.
type pathBook struct{ confirmed, fresh int }

func (p *pathBook) Confirm(n *carrier.Numbers) {
	p.confirmed++
	if n.Fresh {
		p.fresh++
	}
}

func TestOnlyGenuineDatagramsConfirm(t *testing.T) {
	opt, _ := options(newAES())
	_, far := fakePair()
	server := newConn(far, opt, netip.AddrPort{})
	defer server.Close()
	seal := func(packet []byte) []byte { return opt.Sealer.Seal(nil, packet) }
	damaged := seal(seg(7, 81, 1, 0, "x"))
	damaged[len(damaged)-1]++
	outOfBand := withFEC(0xf3, seg(7, 81, 1, 0, "x"))
	for _, c := range []struct {
		name     string
		datagram []byte
		want     int
		fresh    int
	}{
		{"short", []byte("x"), 0, 0},
		{"noise", seg(7, 81, 0, 0, "much too long to be taken for nothing"), 0, 0},
		{"the rest of a conversation nobody knows", seal(seg(7, 81, 5, 0, "x")), 0, 0},
		{"the first of a conversation", seal(seg(7, 81, 0, 0, "x")), 1, 1},
		{"damaged", damaged, 0, 0},
		{"no packet", seal(make([]byte, 30)), 0, 0},
		{"out of band", seal(outOfBand), 0, 0},
		{"another conversation", seal(seg(8, 82, 0, 0, "")), 0, 0},
		{"the next", seal(seg(7, 81, 1, 0, "x")), 1, 1},
		{"the next once more", seal(seg(7, 81, 1, 0, "x")), 1, 0},
	} {
		var book pathBook
		in := &carrier.Inbound{Data: c.datagram, Size: len(c.datagram), From: fakeClientAddr, Path: &book}
		server.in.now = clock.Now()
		server.in.admit(c.datagram, in)
		if book.confirmed != c.want || book.fresh != c.fresh {
			t.Errorf("%s: confirmed %d times, %d of them by what is new", c.name, book.confirmed, book.fresh)
		}
	}
}
