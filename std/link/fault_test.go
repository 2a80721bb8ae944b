package link

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/crypt"
)

// Windows answers a receive call with an error where a datagram is larger than the
// buffer. Receiving paused for it, up to 256 ms: 25 such datagrams a second, of anybody,
// held a socket up.
func TestFaultsOfDatagramsDoNotPause(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EMSGSIZE} {
		if !carrier.OfOneDatagram(errno) {
			continue // another system
		}
		synctest.Test(t, func(t *testing.T) {
			opt, _ := options(crypt.Plain{})
			near, far := fakePair()
			far.recvFault = func(call int64) error {
				if call%14 != 0 {
					return errno
				}
				return nil
			}
			client, server := fakeConns(t, near, far, opt)
			start := time.Now()
			for i := range uint32(10) {
				if _, err := client.WriteTo(seg(1, 81, i, 0, "x"), client.Peer()); err != nil {
					t.Fatal(err)
				}
				if _, _, err := server.ReadFrom(make([]byte, MaxDatagram)); err != nil {
					t.Fatal(err)
				}
			}
			if spent := time.Since(start); spent != 0 || opt.Stats.RecvErrors.Load() != 130 {
				t.Errorf("%v: paused %v in all, %v", errno, spent, opt.Stats)
			}
		})
	}
}
