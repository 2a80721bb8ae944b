package link

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// keepsAlive has the other end send data, which shows that it is there.
func (n *narrow) keepsAlive() {
	admit(n.c, stamped(seg(1, cmdPush, n.their, n.una, "a keepalive"), stampGap+n.stamp), n.from)()
	n.their++
}

// splits has the peer at an address where the system splits only what is larger.
func (n *narrow) splits() {
	p := n.c.Peer()
	n.from = netip.MustParseAddrPort("[2001:db8::1]:29900")
	p.way.Store(p.way.Load().To(n.from))
}

// An outage shows nothing of the path's size, however often something large was sent into it. The
// first answers made the suspicion certain, and the session that had survived was ended at
// once, as if what is stuck had been sent in fragments all the time.
func TestOutageIsNoNarrowPath(t *testing.T) {
	for _, outage := range []time.Duration{0, 10 * time.Second, 40 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			n := newNarrow(t)
			n.transfer(10)
			n.most = 0
			stuck := n.stickFor(outage)
			n.most = baseSize // what is large is lost once more, by chance
			n.keepsAlive()
			n.write(stuck, 1350)
			p := n.c.Peer()
			if p.Size() != 1350 || p.way.Load().Fragments() || p.Failure() != nil {
				t.Errorf("after %v the size is %d, in fragments: %v; it ended with %v", outage, p.Size(), p.way.Load().Fragments(), p.Failure())
			}
			n.most = MaxDatagram
			n.write(stuck, 1350)
			if n.transfer(10); p.Failure() != nil || p.InFlight() != 0 {
				t.Errorf("it ended with %v, and %d are in flight", p.Failure(), p.InFlight())
			}
		})
	}
}

// Each retransmission of mode auto is soon followed by copies. They counted as retransmissions of
// their own, so the last one in an outage and the first one after it were enough.
func TestCopiesAreNoFurtherTransmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.transfer(10)
		stuck, p := n.next, n.c.Peer()
		n.next++
		try := func() {
			for _, after := range []time.Duration{2, 8, 0} {
				n.send(stuck, 1350)
				time.Sleep(after * time.Millisecond)
			}
		}
		n.most = 0
		for range 4 {
			try()
			time.Sleep(2200 * time.Millisecond)
		}
		n.most = baseSize // what is large is lost once more, by chance
		n.keepsAlive()
		try()
		if p.Size() != 1350 || p.way.Load().Fragments() {
			t.Errorf("after the outage the size is %d, in fragments: %v", p.Size(), p.way.Load().Fragments())
		}
		n.most = MaxDatagram
		try()
		if n.transfer(10); p.Failure() != nil || p.InFlight() != 0 {
			t.Errorf("it ended with %v, and %d are in flight", p.Failure(), p.InFlight())
		}
	})
}

// A path that has become narrow in an outage is noticed after it. What is stuck is then sent in
// fragments for stuckAfter, over IPv6 also whole each second time.
func TestNarrowAfterOutage(t *testing.T) {
	small := func(size int) bool { return size <= baseSize }
	for _, c := range []struct {
		name   string
		ipv6   bool
		passes func(size int) bool // once it is certain
		want   error
	}{
		{"nothing large", false, small, errStuck},
		{"nothing large over IPv6", true, small, errStuck},
		{"what is split", true, func(size int) bool { return small(size) || size == MaxDatagram }, nil},
		{"all but what is split", true, func(size int) bool { return size < MaxDatagram }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNarrow(t)
				n.transfer(10)
				n.most = 0
				stuck := n.stickFor(stuckAfter + 10*time.Second)
				n.most = baseSize
				p := n.c.Peer()
				var certain time.Time
				for begun := time.Now(); time.Since(begun) < 2*stuckAfter && p.Failure() == nil && p.InFlight() > 0; time.Sleep(time.Second / 2) {
					n.keepsAlive()
					n.write(stuck, 1350)
					if !certain.IsZero() || !p.way.Load().Fragments() {
						continue
					}
					certain, n.passes = time.Now(), c.passes
					if c.ipv6 {
						n.splits()
					}
				}
				if got := p.Failure(); got != c.want || certain.IsZero() || got != nil && time.Since(certain) < stuckAfter {
					t.Errorf("it ended with %v, want %v; %v after it was certain", got, c.want, time.Since(certain))
				}
			})
		})
	}
}

// A receiver that has no room drops what it gets, whatever its size. It is asked, and answers.
func TestNoRoomIsNoNarrowPath(t *testing.T) {
	t.Run("said with news", func(t *testing.T) { noRoom(t, 1) })
	t.Run("said with none", func(t *testing.T) { noRoom(t, 0) }) // as when another session takes the memory
}

// noRoom is about a receiver that acknowledges some segments more when it has no room.
func noRoom(t *testing.T, more int) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.transfer(10)
		n.full = true
		n.transfer(more)
		n.most = baseSize
		stuck, p := n.stick(), n.c.Peer()
		for begun := time.Now(); time.Since(begun) < stuckAfter+10*time.Second; time.Sleep(time.Second / 2) {
			n.write(stuck, 1350)
			if silent, _ := p.Silence(); silent > time.Second { // its path would be taken for dead
				t.Fatalf("it was not asked for %v", silent)
			}
		}
		if got := p.Size(); got != 1350 || p.Failure() != nil {
			t.Errorf("the size is %d, and it ended with %v; logged %q", got, p.Failure(), n.book.lines)
		}
		n.most, n.full = MaxDatagram, false
		n.write(stuck, 1350)
		if n.transfer(10); p.Failure() != nil || p.InFlight() != 0 {
			t.Errorf("with room, it ended with %v, and %d are in flight", p.Failure(), p.InFlight())
		}
	})
}
