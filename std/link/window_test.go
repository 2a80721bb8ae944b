package link

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/testkit"
)

// Of two packets with the same una, the one that reaches less far closed the window, even
// if it was a recording, or had only been overtaken. Only news may do that, and time.
func TestOldPacketDoesNotCloseWindow(t *testing.T) {
	shut := window(seg(7, 81, 3, 10, "data"), 0)
	for _, c := range []struct {
		name   string
		packet []byte
		later  time.Duration // than the report that has opened the window
		want   uint16
	}{
		{"data played again", shut, 0, 128},
		{"an acknowledgement played again", window(ofServer(seg(7, 82, 8, 10, "")), 0), 0, 128},
		{"a report that was overtaken", window(seg(7, 84, 0, 10, ""), 0), 0, 128},
		{"a report of more room", window(seg(7, 84, 0, 10, ""), 200), 0, 200},
		{"new data", window(seg(7, 81, 4, 10, "data"), 0), 0, 0},
		{"data sent again", stamped(shut, 1), 0, 0},
		{"a new acknowledgement", window(stamped(ofServer(seg(7, 82, 9, 10, "")), 1), 5), 0, 5},
		{"the same report, shortly before it is believed", window(seg(7, 83, 0, 10, ""), 0), edgeHolds - time.Second, 128},
		{"the same report for long", window(seg(7, 83, 0, 10, ""), 0), edgeHolds, 0},
	} {
		server, p := livingAt(t)
		for _, packet := range [][]byte{ofServer(seg(7, 82, 9, 10, "")), shut, window(seg(7, 84, 0, 10, ""), 128)} {
			if !hears(server, packet, addrNumber(1)) {
				t.Fatalf("%x is refused", packet)
			}
		}
		p.ledger.sndNext.Store(11)
		p.ledger.sndStamp.Add(10)
		server.in.now += c.later
		got := packetFrom(server, c.packet, addrNumber(1))
		if h := parsed(got); h.Window != c.want || p.ledger.window() != c.want {
			t.Errorf("%s: the engine is told of %d, and %d are known; want %d", c.name, h.Window, p.ledger.window(), c.want)
		}
	}
}

// Somebody without the key who played the last packet of a paused reader again and again
// kept the window shut for as long as he liked: una stays as it is when nothing is sent.
func TestRecordingDoesNotKeepWindowShut(t *testing.T) {
	opt, _ := options(newAES())
	near, far := fakePair()
	var shut atomic.Pointer[[]byte]
	far.onSend = func(d []byte) {
		if packet, ok := opt.Sealer.Open(bytes.Clone(d)); ok && parsed(packet).Window == 0 {
			d = bytes.Clone(d)
			shut.Store(&d)
		}
	}
	client, server := fakeConns(t, near, far, opt)
	c, s := sessions(t, client, server)
	for _, k := range []*kcp.UDPSession{c, s} {
		k.SetWindowSize(128, 128)
	}
	exchange(t, c, s, 50_000)
	written := make(chan error, 1)
	const size = 2_000_000
	go func() {
		_, err := c.Write(make([]byte, size))
		written <- err
	}()
	testkit.Eventually(t, "a window of 0", func() bool { return shut.Load() != nil && client.Peer().ledger.window() == 0 })
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				near.deliver(*shut.Load(), far.addr)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	_ = s.SetReadDeadline(time.Now().Add(testkit.Patience))
	if n, err := io.CopyN(io.Discard, s, size); err != nil {
		t.Fatalf("%d bytes of %d have come: %v", n, size, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}
