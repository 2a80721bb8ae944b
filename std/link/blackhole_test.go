package link

import (
	"testing"
	"testing/synctest"
	"time"
)

// After an outage the suspicion is as old as the outage, and the first answers make it
// certain. A session that had survived was ended then, as if what is stuck had been sent in
// fragments all the time. Unless it has been, for a while, nothing is judged.
func TestOutageBeforeFragments(t *testing.T) {
	for _, c := range []struct {
		name string
		most int // what passes at the end, in bytes
		want error
	}{
		{"large packets pass", MaxDatagram, nil},
		{"they do not, nor do fragments", baseSize, errStuck},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNarrow(t)
				n.transfer(10)
				n.most = 0
				stuck := n.stickFor(stuckAfter + 10*time.Second)
				n.most = baseSize // the large ones are lost once more, by chance
				admit(n.c, stamped(seg(1, cmdPush, 0, n.una, "a keepalive"), stampGap), fakeServerAddr)()
				n.write(stuck, 1350)
				p := n.c.Peer()
				if !p.way.Load().Fragments() || p.Failure() != nil {
					t.Fatalf("once it answers, in fragments: %v; it ended with %v", p.way.Load().Fragments(), p.Failure())
				}
				n.most = c.most
				for begun := time.Now(); time.Since(begun) < 2*fragmentsFor; time.Sleep(time.Second / 2) {
					n.write(stuck, 1350)
				}
				if got := p.Failure(); got != c.want {
					t.Errorf("it ended with %v, want %v", got, c.want)
				}
			})
		})
	}
}

// A receiver that has no room drops what it gets, whatever its size. It is asked, and answers.
func TestNoRoomIsNoNarrowPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.transfer(10)
		n.full = true
		n.transfer(1) // which says so
		n.most = baseSize
		stuck, p := n.stick(), n.c.Peer()
		for begun := time.Now(); time.Since(begun) < stuckAfter+2*fragmentsFor; time.Sleep(time.Second / 2) {
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
