package rawtcp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// A new raw socket receives every segment of the machine. Next to busy connections its
// queue filled up before the answer of a handshake arrived, and the dial failed.
func TestTCPSocketBeginsEmpty(t *testing.T) {
	l := newLab(t)
	at := netip.MustParseAddrPort(netns.Server4 + ":" + labPort)
	from := netip.MustParseAddrPort(netns.Client4 + ":4001")
	var s *rawSocket
	err := l.In(l.Server, func() (err error) {
		s, err = openRawSocket(false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	queued := func() int {
		waiting := 0
		for b := make([]byte, rawSpace); ; waiting++ {
			if _, _, err := unix.Recvfrom(s.fd, b, unix.MSG_DONTWAIT); err != nil {
				return waiting
			}
		}
	}
	send := func() {
		for range 10 {
			l.inject(l.Client, unix.IPPROTO_TCP, at.Addr(), forgedSegment(from, at, flagACK, "busy"))
		}
	}
	send() // before filter is called
	if n := queued(); n != 0 {
		t.Errorf("%d segments are let in before the filter is set", n)
	}
	if err := s.filter(0, at.Port()); err != nil {
		t.Fatal(err)
	}
	send()
	if err := clearQueue(s.fd); err != nil {
		t.Fatal(err)
	}
	if n := queued(); n != 0 {
		t.Errorf("%d segments are left in the queue", n)
	}
	if err := s.filter(0, at.Port()); err != nil {
		t.Fatal(err)
	}
	send()
	testkit.Eventually(t, "segments pass the filter", func() bool { return queued() > 0 })
}
