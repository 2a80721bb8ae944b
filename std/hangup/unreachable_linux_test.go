package hangup

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kcptun/std/testkit"
)

// A message that a host is unreachable does not end a connection, which survives the moment
// without a network. It used to count as a reset.
func TestWatchResetSurvivesUnreachableHost(t *testing.T) {
	testkit.NoLeak(t)
	app, ours := testkit.TCPPair(t)
	tellUnreachable(t, ours)
	gone := make(chan error, 1)
	stop := WatchReset(ours, func(why error) { gone <- why })
	select {
	case why := <-gone:
		t.Fatal(why)
	case <-time.After(50 * time.Millisecond): // the first look is immediate; a slower machine only sees less
	}
	_ = app.SetLinger(0)
	app.Close()
	if why := testkit.Within(t, "a reset is noticed", gone); why == nil {
		t.Error("without a reason")
	}
	stop()
}

// tellUnreachable sends the ICMP message that a router sends when it does not reach the host
// at the other end of a connection.
func tellUnreachable(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	local, remote := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	if !local.Addr().Is4() {
		t.Skip("not over IPv4")
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err != nil {
		t.Skip("no raw socket: ", err)
	}
	defer unix.Close(s)
	message := unreachable(local, remote, sendSequence(t, conn))
	patience := unix.NsecToTimeval(int64(testkit.Patience))
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		t.Fatal(err)
	}
	for range 2 { // when the second has come, the first has been handled
		if err := unix.Sendto(s, message, 0, &unix.SockaddrInet4{Addr: local.Addr().As4()}); err != nil {
			t.Fatal(err)
		}
		for got := make([]byte, 200); ; {
			n, _, err := unix.Recvfrom(s, got, 0)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.HasSuffix(got[:n], message) {
				break
			}
		}
	}
}

// sendSequence is the sequence number of the next byte.
func sendSequence(t *testing.T, conn *net.TCPConn) (seq uint32) {
	t.Helper()
	control(t, conn, func(fd int) error {
		const sendQueue, off = 2, -1
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1); err != nil {
			return err
		}
		err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR_QUEUE, sendQueue)
		if err != nil {
			return err
		}
		n, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUEUE_SEQ)
		if err != nil {
			return err
		}
		seq = uint32(n)
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, off)
	})
	return seq
}

func control(t *testing.T, conn *net.TCPConn, f func(fd int) error) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		t.Skip("the sequence number cannot be read: ", failed)
	}
}

// unreachable is an ICMP message about a segment of a connection.
func unreachable(local, remote netip.AddrPort, seq uint32) []byte {
	b := make([]byte, 8+20+8)
	b[0], b[1] = 3, 1 // host unreachable
	ip := b[8:]
	ip[0], ip[8], ip[9] = 0x45, 64, unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(ip[2:], 40)
	from, to := local.Addr().As4(), remote.Addr().As4()
	copy(ip[12:], from[:])
	copy(ip[16:], to[:])
	binary.BigEndian.PutUint16(ip[20:], local.Port())
	binary.BigEndian.PutUint16(ip[22:], remote.Port())
	binary.BigEndian.PutUint32(ip[24:], seq)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b
}

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum>>16 + sum&0xffff)
}
