package link

import (
	"net/netip"
	"testing"

	"kcptun/std/testkit"
)

// A source is suspicious when several of its datagrams did not open and none ever did. A path
// that spoils some used to raise the alarm of a wrong key.
func TestUnopened(t *testing.T) {
	addr := func(i byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, i}), 1) }
	var u unopened
	for i := range byte(suspicious - 1) {
		if u.failed(addr(1)) {
			t.Fatal("suspicious after", i+1)
		}
	}
	u.opened(addr(2))
	if !u.failed(addr(1)) {
		t.Error("cleared by what another source sent")
	}
	u.opened(addr(1))
	if u.any || u.failed(addr(1)) {
		t.Error("suspicious, and something of it has opened")
	}
	for i := range byte(100) { // strangers, each once
		if u.failed(addr(100 + i)) {
			t.Error("a stranger is suspicious at once")
		}
	}
	if allocs := testkit.Allocations(func() { u.failed(addr(3)); u.opened(addr(4)) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// What comes spoilt of a peer is counted, and no alarm.
func TestSpoiltDatagramsOfAPeer(t *testing.T) {
	seal := newAES()
	opt, book := options(seal)
	client := newFake(fakeClientAddr)
	c := newConn(client, opt, fakeServerAddr)
	defer c.Close()
	beginAt(c, 1)
	good := seal.Seal(nil, seg(1, 81, 0, 0, "good"))
	client.deliver(good, fakeServerAddr)
	for range 10 {
		bad := seal.Seal(nil, seg(1, 81, 0, 0, "good"))
		bad[len(bad)-1] ^= 1
		client.deliver(bad, fakeServerAddr)
	}
	client.deliver(good, fakeServerAddr)
	for range 2 {
		if _, _, err := c.ReadFrom(make([]byte, MaxDatagram)); err != nil {
			t.Fatal(err)
		}
	}
	if n := opt.Stats.SealFailures.Load(); n != 10 {
		t.Errorf("%d counted", n)
	}
	if lines := book.with("do not open"); len(lines) > 0 {
		t.Errorf("an alarm: %q", lines)
	}
}
