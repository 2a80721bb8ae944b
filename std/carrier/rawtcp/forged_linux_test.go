package rawtcp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// inject sends a packet of a protocol from a namespace, as anybody may.
func (l *lab) inject(ns string, protocol int, to netip.Addr, packet []byte) {
	l.T.Helper()
	err := l.In(ns, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, protocol)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: to.As4()})
	})
	if err != nil {
		l.T.Fatal(err)
	}
}

// unreachable is the ICMP message that reports an undelivered segment.
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

// An ICMP message that was forged, or that concerned another connection between the two
// machines, used to cost an outgoing datagram and to pause receiving.
func TestTCPForgedUnreachable(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	remote := netns.Server4 + ":" + labPort
	client, server, f := l.pair(opt, remote)
	local := carrier.Unmap(client.local.(*net.TCPAddr).AddrPort())
	for code := range byte(4) {
		l.inject(l.Server, unix.IPPROTO_ICMP, local.Addr(), unreachable(local, netip.MustParseAddrPort(remote), code))
		if refused, err := client.Send(datagramTo(remote, []byte("good"))); refused != 0 || err != nil {
			t.Errorf("code %d: %d datagrams refused: %v", code, refused, err)
		}
		testkit.Returns(t, "the datagram", func() {
			if in, err := server.Recv(); err != nil || len(in) != 1 || string(in[0].Data) != "good" {
				t.Errorf("code %d: received %v: %v", code, in, err)
			}
		})
		if _, err := server.Send(datagramTo(f.peer.String(), []byte("answer"))); err != nil {
			t.Error(err)
		}
		testkit.Returns(t, "the answer", func() {
			if in, err := client.Recv(); err != nil || len(in) != 1 || string(in[0].Data) != "answer" {
				t.Errorf("code %d: the client received %v: %v", code, in, err)
			}
		})
	}
}

// forgedSegments are what a stranger or a middlebox can send in the name of a peer. Their
// sequence numbers are not those of the connection.
var forgedSegments = []struct {
	name  string
	flags byte
	data  string
}{
	{"RST", flagRST, ""},
	{"RST with an acknowledgement", flagRST | flagACK, ""},
	{"FIN", flagFIN | flagACK, ""},
	{"SYN", flagSYN, ""},
	{"answer to a SYN", flagSYN | flagACK, ""},
	{"acknowledgement", flagACK, ""},
	{"data", flagPSH | flagACK, "not sealed with our key"},
	{"data and FIN", flagPSH | flagFIN | flagACK, "not sealed with our key"},
}

func forgedSegment(from, to netip.AddrPort, flags byte, data string) []byte {
	b := append(make([]byte, tcpMinHeader), data...)
	binary.BigEndian.PutUint16(b[0:], from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint32(b[4:], 0xdeadbeef)
	binary.BigEndian.PutUint32(b[8:], 0xfeedface)
	b[12], b[13] = tcpMinHeader/4<<4, flags
	binary.BigEndian.PutUint16(b[offsetSum:], ^foldSum(sumBytes(pseudoSum(from.Addr(), to.Addr())+uint64(len(b)), b)))
	return b
}

// moved is the state of a flow that datagrams change.
func (f *flow) moved() (fields headerFields, heard time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return headerFields{seq: f.seq, ack: f.ack, echo: f.echo}, f.heard
}

// awaitDatagram receives until the datagram sent after the forged segments has arrived.
func awaitDatagram(t *testing.T, c *Conn, want string) {
	t.Helper()
	testkit.Returns(t, want, func() {
		for {
			in, err := c.Recv()
			if err != nil {
				t.Error(err)
				return
			}
			for _, i := range in {
				if string(i.Data) == want {
					return
				}
			}
		}
	})
}

// A forged RST or FIN with any sequence number ended an idle flow of a server 5 s later. A
// forged acknowledgement changed the flow's sequence number, and data that did not open
// kept the flow alive.
func TestTCPForgedSegments(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	remote := netip.MustParseAddrPort(netns.Server4 + ":" + labPort)
	client, server, atServer := l.pair(opt, remote.String())
	local := carrier.Unmap(client.local.(*net.TCPAddr).AddrPort())
	atClient := client.flows.get(remote)
	for _, c := range forgedSegments {
		fields, heard := atServer.moved()
		l.inject(l.Client, unix.IPPROTO_TCP, remote.Addr(), forgedSegment(local, remote, c.flags, c.data))
		if _, err := client.Send(datagramTo(remote.String(), []byte("to the server"))); err != nil {
			t.Fatal(err)
		}
		awaitDatagram(t, server, "to the server")
		if f, h := atServer.moved(); f != fields || h != heard {
			t.Errorf("%s: moved the server's flow: %+v %v, was %+v %v", c.name, f, h, fields, heard)
		}
		server.flows.sweep(heard + flowSilence)
		if server.flows.get(local) != atServer {
			t.Fatalf("%s: ended the flow", c.name)
		}
		fields, heard = atClient.moved()
		l.inject(l.Server, unix.IPPROTO_TCP, local.Addr(), forgedSegment(remote, local, c.flags, c.data))
		if _, err := server.Send(datagramTo(local.String(), []byte("to the client"))); err != nil {
			t.Fatal(err)
		}
		awaitDatagram(t, client, "to the client")
		if f, h := atClient.moved(); f.ack != fields.ack || f.echo != fields.echo || h != heard {
			t.Errorf("%s: moved the client's flow: %+v %v, was %+v %v", c.name, f, h, fields, heard)
		}
	}
}
