package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/crypt"
)

// transients are errors that a socket gives and that pass.
var transients = []syscall.Errno{
	syscall.ENETUNREACH, syscall.EPERM, syscall.ENOBUFS, syscall.ECONNREFUSED, syscall.EMSGSIZE,
	syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENOMEM, syscall.EAGAIN,
}

// everyThird fails every third call as the net package does.
func everyThird(op string, errno syscall.Errno) func(int64) error {
	return func(call int64) error {
		if call%3 != 0 {
			return nil
		}
		return &net.OpError{Op: op, Net: "udp", Err: os.NewSyscallError(op, errno)}
	}
}

func TestTransientErrorsAreSurvived(t *testing.T) {
	for _, errno := range transients {
		t.Run(fmt.Sprint(errno), func(t *testing.T) {
			opt, book := options(newAES())
			near, far := fakePair()
			near.recvFault, far.recvFault = everyThird("recvmsg", errno), everyThird("recvmsg", errno)
			near.sendFault, far.sendFault = everyThird("sendmsg", errno), everyThird("sendmsg", errno)
			client, server := fakeConns(t, near, far, opt)
			c, s := sessions(t, client, server)
			exchange(t, c, s, 50_000)

			// Close first: what the calls under way count is then counted.
			client.Close()
			server.Close()
			recvs, sends := near.recvFaults.Load()+far.recvFaults.Load(), near.sendFaults.Load()+far.sendFaults.Load()
			if recvs == 0 || sends == 0 {
				t.Fatalf("nothing failed: %d, %d", recvs, sends)
			}
			// A call that fails while the link closes is not counted.
			if got := int64(opt.Stats.RecvErrors.Load()); got < recvs-2 || got > recvs {
				t.Errorf("%d receive errors counted of %d", got, recvs)
			}
			if got := int64(opt.Stats.SendErrors.Load()); got == 0 || got > near.sendFaults.Load()+far.sendFaults.Load() {
				t.Errorf("%d send errors counted of %d", got, sends)
			}
			for _, text := range []string{"receiving failed, going on", "sending failed, going on"} {
				lines := book.with(text)
				if len(lines) != 2 { // one for each of the two links
					t.Errorf("%d lines about %q: %q", len(lines), text, lines)
				}
				for _, line := range lines {
					if !strings.Contains(line, errno.Error()) || !strings.HasSuffix(line, "times=1") {
						t.Errorf("line: %s", line)
					}
				}
			}
		})
	}
}

// The calls themselves never return such an error.
func TestTransientErrorsDoNotSurface(t *testing.T) {
	for _, errno := range transients {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		fails := func(call int64) error {
			if call == 1 {
				return errno
			}
			return nil
		}
		near.sendFault, far.recvFault = fails, fails
		client, server := fakeConns(t, near, far, opt)
		packet := seg(1, 81, 0, 0, "data")
		for range 2 { // the first is lost
			if n, err := client.WriteTo(packet, client.Peer()); err != nil || n != len(packet) {
				t.Fatalf("%v: WriteTo: %d %v", errno, n, err)
			}
		}
		n, from, err := server.ReadFrom(make([]byte, MaxDatagram))
		if err != nil || n != len(packet) || from.(*Peer).addr() != fakeClientAddr {
			t.Fatalf("%v: ReadFrom: %d %v %v", errno, n, from, err)
		}
		client.Close() // waits for what sends
		if opt.Stats.RecvErrors.Load() != 1 {
			t.Errorf("%v: counted: %v", errno, opt.Stats)
		}
	}
}

// A socket that fails at every call, for ten minutes, is not asked in a loop,
// and fills no log.
func TestFailingSocketDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, book := options(crypt.Plain{})
		near, far := fakePair()
		near.recvFault = func(call int64) error {
			if call > 1e5 {
				return net.ErrClosed // instead of hanging: time stands still while somebody spins
			}
			return syscall.ENETDOWN
		}
		client, _ := fakeConns(t, near, far, opt)
		ended := make(chan error)
		go func() {
			_, _, err := client.ReadFrom(make([]byte, MaxDatagram))
			ended <- err
		}()
		start := time.Now()
		time.Sleep(10 * time.Minute)
		client.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadFrom ended with %v", err)
		}
		if spent := time.Since(start); spent > 10*time.Minute {
			t.Errorf("Close was noticed after %v", spent-10*time.Minute)
		}
		// 4 at once, 8 while the pause grows, then one in 256 ms.
		if calls, most := near.recvs.Load(), int64(4+8+600_000/256+1); calls > most || calls < most/2 {
			t.Errorf("%d calls, expected about %d", calls, most)
		}
		lines := book.with("receiving failed")
		if len(lines) < 10 || len(lines) > 11 {
			t.Fatalf("%d lines in ten minutes", len(lines))
		}
		if !strings.HasSuffix(lines[0], "times=1") || !strings.Contains(lines[5], "times=23") { // 60 / 0.256 = 234
			t.Errorf("lines: %s\n%s", lines[0], lines[5])
		}
	})
}

// The first failures cost nothing, and one success makes them the first again.
func TestPauseBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		far.recvFault = func(call int64) error {
			if call%4 != 0 {
				return syscall.ENOBUFS
			}
			return nil
		}
		client, server := fakeConns(t, near, far, opt)
		start := time.Now()
		for range 100 {
			if _, err := client.WriteTo(seg(1, 81, 0, 0, ""), client.Peer()); err != nil {
				t.Fatal(err)
			}
			if _, _, err := server.ReadFrom(make([]byte, MaxDatagram)); err != nil {
				t.Fatal(err)
			}
		}
		if spent := time.Since(start); spent != 0 || opt.Stats.RecvErrors.Load() != 300 {
			t.Errorf("paused %v in all, %v", spent, opt.Stats)
		}
	})
}

func TestStatsText(t *testing.T) {
	var s Stats
	for i, c := range []interface{ Add(uint64) uint64 }{&s.Short, &s.Foreign, &s.SealFailures, &s.BadShape, &s.Strays, &s.Crowded, &s.Moved, &s.FlowsRefused, &s.RecvErrors, &s.SendErrors, &s.Shrunk} {
		c.Add(uint64(i + 1))
	}
	const want = "LinkShort:1 LinkForeign:2 LinkSealFailures:3 LinkBadShape:4 LinkStrays:5 LinkCrowded:6 LinkMoved:7 LinkFlowsRefused:8 LinkRecvErrors:9 LinkSendErrors:10 LinkShrunk:11"
	if got := s.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
