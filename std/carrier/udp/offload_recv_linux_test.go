package udp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"weak"

	"golang.org/x/sys/unix"

	"kcptun/std/testkit"
)

// batching opens a socket that receives several datagrams per call.
func batching(t *testing.T, local string) *batchSocket {
	t.Helper()
	opt, _ := options()
	opt.Buffer = 4 << 20
	sock, err := open(context.Background(), opt, "udp4", local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	s, ok := sock.(*batchSocket)
	if !ok {
		t.Skipf("a %T: no batching here", sock)
	}
	return s
}

// waits tells whether there is nothing to read. It makes the call that would wait, but does
// not wait.
func waits(t *testing.T, s *batchSocket) bool {
	t.Helper()
	ready := false
	if err := s.raw.Control(func(fd uintptr) { ready = s.rx.call(fd) }); err != nil {
		t.Fatal(err)
	}
	return !ready
}

// pieces are datagrams of size bytes, each of one letter.
func pieces(count, size int) (all [][]byte) {
	for i := range count {
		all = append(all, bytes.Repeat([]byte{byte('a' + i%26)}, size))
	}
	return all
}

// sendMerged sends datagrams of one size in one call, which the kernel takes to a
// socket with receive offload on this machine as one.
func sendMerged(t *testing.T, to net.Addr, datagrams [][]byte) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, len(datagrams[0]))
	})
	if set != nil {
		t.Skipf("no segmentation here: %v", set)
	}
	if err == nil {
		_, err = conn.WriteTo(bytes.Join(datagrams, nil), to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// receiveAll reads until the datagrams have arrived, and compares them.
func receiveAll(t *testing.T, s *batchSocket, want [][]byte) {
	t.Helper()
	testkit.Returns(t, "the datagrams", func() {
		for len(want) > 0 {
			inbox, err := s.Recv()
			if err != nil {
				t.Error(err)
				return
			}
			for _, in := range inbox {
				for len(in.Data) > 0 {
					if d := in.Next(); len(want) == 0 || !bytes.Equal(d, want[0]) {
						t.Errorf("a datagram of %d bytes that was not sent, %d to come", len(d), len(want))
						return
					}
					want = want[1:]
				}
			}
		}
	})
}

// A socket that had once been under load kept its large buffers: 256 MB on a client with
// 1000 sessions.
func TestIdleSocketHoldsNoBuffer(t *testing.T) {
	for _, local := range []string{"", "127.0.0.1:0"} { // dialled and listening
		s := batching(t, local)
		if !waits(t, s) {
			t.Fatal("something to read at the start")
		}
		burst := pieces(40, 1350)
		to := net.UDPAddrFromAddrPort(loopbackOf(s))
		sendMerged(t, to, burst)
		receiveAll(t, s, burst)
		if s.rx.lent[0] == nil {
			t.Fatal("what was received stands in no buffer")
		}
		var held []weak.Pointer[recvBlock]
		for _, b := range s.rx.lent {
			held = append(held, weak.Make(b))
		}
		if !waits(t, s) {
			t.Fatal("more to read than was sent")
		}
		for range 8 { // the pool keeps what it has over two
			runtime.GC()
		}
		for i, b := range held {
			if b.Value() != nil {
				t.Errorf("%q: the socket keeps block %d of its buffers", local, i)
			}
		}
		runtime.KeepAlive(s)
	}
}

// A merged datagram waiting in the kernel, as the first one or after a pause, finds enough
// room.
func TestMergedDatagramsAreWhole(t *testing.T) {
	s := batching(t, "")
	to := net.UDPAddrFromAddrPort(loopbackOf(s))
	for range 3 {
		sent := pieces(48, 1350)
		sendMerged(t, to, sent)
		receiveAll(t, s, sent)
		if !waits(t, s) {
			t.Fatal("more to read than was sent")
		}
	}
}

// What a socket has received does not change while others receive.
func TestSocketsShareNoBufferInUse(t *testing.T) {
	a, b := batching(t, ""), batching(t, "")
	sendMerged(t, net.UDPAddrFromAddrPort(loopbackOf(a)), [][]byte{[]byte("to a")})
	sendMerged(t, net.UDPAddrFromAddrPort(loopbackOf(b)), [][]byte{[]byte("to b")})
	testkit.Returns(t, "both", func() {
		first, errA := a.Recv()
		_, errB := b.Recv()
		if err := errors.Join(errA, errB); err != nil {
			t.Error(err)
		} else if got := string(first[0].Data); got != "to a" {
			t.Errorf("the first socket's datagram became %q", got)
		}
	})
}

// loopbackOf is the address by which a socket of any address is reached here.
func loopbackOf(s *batchSocket) netip.AddrPort {
	port := s.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}
