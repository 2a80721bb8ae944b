package link

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestOfOneDatagram(t *testing.T) {
	wrapped := func(errno syscall.Errno) error {
		return &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("recvfrom", errno)}
	}
	for _, errno := range datagramFaults {
		if !ofOneDatagram(errno) || !ofOneDatagram(wrapped(errno)) {
			t.Errorf("%v is taken for a fault of the socket", errno)
		}
	}
	for _, err := range []error{syscall.ENOMEM, wrapped(syscall.ENOBUFS), syscall.EPERM, errors.New("another"), net.ErrClosed} {
		if ofOneDatagram(err) {
			t.Errorf("%v is taken for a fault of a datagram", err)
		}
	}
}

// Windows answers a receive call with an error where a datagram is larger than the
// buffer. Receiving paused for it, up to 256 ms: 25 such datagrams a second, of anybody,
// held a socket up.
func TestFaultsOfDatagramsDoNotPause(t *testing.T) {
	for _, errno := range datagramFaults {
		synctest.Test(t, func(t *testing.T) {
			opt, _ := options(Plain{})
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
