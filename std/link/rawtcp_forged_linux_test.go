package link

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// inject sends a packet of a protocol from a namespace, as anybody may.
func (l *rawLab) inject(ns string, protocol int, to netip.Addr, packet []byte) {
	l.t.Helper()
	err := l.in(ns, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, protocol)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: to.As4()})
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// unreachable is the ICMP message that a segment did not arrive.
func unreachable(from, to netip.AddrPort, code byte) []byte {
	b := make([]byte, 8+ipv4MinHeader+8)
	b[0], b[1] = 3, code
	inner := b[8:]
	inner[0], inner[3], inner[8], inner[9] = 0x45, 40, 64, protocolTCP
	src, dst := from.Addr().As4(), to.Addr().As4()
	copy(inner[12:], src[:])
	copy(inner[16:], dst[:])
	binary.BigEndian.PutUint16(inner[20:], from.Port())
	binary.BigEndian.PutUint16(inner[22:], to.Port())
	binary.BigEndian.PutUint16(b[2:], ^foldSum(sumBytes(0, b)))
	return b
}

// An ICMP message that somebody forged, or that is about another connection between the
// two machines, used to cost a datagram on its way out and to pause receiving.
func TestTCPForgedUnreachable(t *testing.T) {
	l := newRawLab(t)
	opt, _ := options(Plain{})
	remote := labServer4 + ":" + labPort
	client, server, f := l.pair(opt, remote)
	local := unmap(client.local.(*net.TCPAddr).AddrPort())
	for code := range byte(4) {
		l.inject(l.server, unix.IPPROTO_ICMP, local.Addr(), unreachable(local, netip.MustParseAddrPort(remote), code))
		if refused, err := client.send(datagramTo(remote, []byte("good"))); refused != 0 || err != nil {
			t.Errorf("code %d: %d datagrams refused: %v", code, refused, err)
		}
		within(t, "the datagram", func() {
			if in, err := server.recv(); err != nil || len(in) != 1 || string(in[0].data) != "good" {
				t.Errorf("code %d: received %v: %v", code, in, err)
			}
		})
		if _, err := server.send(datagramTo(f.peer.String(), []byte("answer"))); err != nil {
			t.Error(err)
		}
		within(t, "the answer", func() {
			if in, err := client.recv(); err != nil || len(in) != 1 || string(in[0].data) != "answer" {
				t.Errorf("code %d: the client received %v: %v", code, in, err)
			}
		})
	}
}
