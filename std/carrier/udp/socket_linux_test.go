package udp

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// udpConn is the socket of a carrier.
func udpConn(t testing.TB, c carrier.Carrier) *net.UDPConn {
	t.Helper()
	switch s := c.(type) {
	case *socket:
		return s.conn
	case *batchSocket:
		return s.conn
	}
	t.Fatalf("the carrier is a %T", c)
	return nil
}

func socketOption(t *testing.T, c *net.UDPConn, level, option int) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var value int
	var failed error
	err = raw.Control(func(fd uintptr) { value, failed = unix.GetsockoptInt(int(fd), level, option) })
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return value
}

func TestDSCPOfSocket(t *testing.T) {
	testkit.NeedIPv6(t)
	for _, dscp := range []int{0, 1, 46, 63} {
		both(t, func(t *testing.T, opt carrier.Options) {
			opt.DSCP = dscp
			v4, v6, dual := listenAt(t, opt, "127.0.0.1:0"), listenAt(t, opt, "[::1]:0"), listenAt(t, opt, ":0")
			to4, _ := dialTo(t, opt, "127.0.0.1:1")
			to6, _ := dialTo(t, opt, "[::1]:1")
			for _, c := range []carrier.Carrier{v4, dual, to4} {
				if got := socketOption(t, udpConn(t, c), unix.IPPROTO_IP, unix.IP_TOS); got != dscp<<2 {
					t.Errorf("dscp %d, %v: IP_TOS is %d", dscp, c.LocalAddr(), got)
				}
			}
			for _, c := range []carrier.Carrier{v6, dual, to6} {
				if got := socketOption(t, udpConn(t, c), unix.IPPROTO_IPV6, unix.IPV6_TCLASS); got != dscp<<2 {
					t.Errorf("dscp %d, %v: IPV6_TCLASS is %d", dscp, c.LocalAddr(), got)
				}
			}
		})
	}
}

func TestDSCPRefused(t *testing.T) {
	testkit.NeedIPv6(t)
	for _, local := range []string{"[::]:0", "[::1]:0"} {
		opt, book := options()
		opt.DSCP = 300 // no such octet; IPv4 would take a part of it
		server := listenAt(t, opt, local)
		if n := strings.Count(book.String(), "dscp is not in force"); n != 1 {
			t.Errorf("%s: logged %s", local, book)
		}
		client, way := dialTo(t, opt, "[::1]:"+portOf(server))
		say(t, client, way, "goes on without")
		hear(t, server, "goes on without")
	}
	opt, _ := options()
	server := listenAt(t, opt, "127.0.0.1:0")
	server.Close()
	if err := setDSCP(udpConn(t, server), 46); err == nil {
		t.Error("a closed socket was marked")
	}
}

// tosOf receives one datagram and returns the octet it was marked with.
func tosOf(t *testing.T, c *net.UDPConn) byte {
	t.Helper()
	var octet byte
	testkit.Returns(t, "a datagram", func() {
		oob := make([]byte, 128)
		_, n, _, _, err := c.ReadMsgUDP(make([]byte, 2*carrier.MaxDatagram), oob)
		if err != nil {
			t.Error(err)
			return
		}
		messages, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil || len(messages) != 1 {
			t.Errorf("%d messages, %v", len(messages), err)
			return
		}
		octet = messages[0].Data[0]
	})
	return octet
}

// The octet as a peer receives it, from a dialled link and as the answer of a
// dual-stack one.
func TestDSCPOnTheWire(t *testing.T) {
	testkit.NeedIPv6(t)
	for _, c := range []struct {
		network, host string
		level, option int
	}{
		{"udp4", "127.0.0.1", unix.IPPROTO_IP, unix.IP_RECVTOS},
		{"udp6", "::1", unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS},
	} {
		both(t, func(t *testing.T, opt carrier.Options) {
			opt.DSCP = 46
			far, err := net.ListenUDP(c.network, &net.UDPAddr{IP: net.ParseIP(c.host)})
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			raw, err := far.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), c.level, c.option, 1) }); err != nil {
				t.Fatal(err)
			}
			client, way := dialTo(t, opt, far.LocalAddr().String())
			say(t, client, way, "marked")
			if got := tosOf(t, far); got != 46<<2 {
				t.Errorf("%s: dialled: the octet is %#x", c.network, got)
			}

			server := listenAt(t, opt, ":0")
			to, err := net.ResolveUDPAddr(c.network, net.JoinHostPort(c.host, portOf(server)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := far.WriteToUDP([]byte("asked"), to); err != nil {
				t.Fatal(err)
			}
			in := hear(t, server, "asked")
			say(t, server, carrier.NewWay(in.From).From(in.At), "answered")
			if got := tosOf(t, far); got != 46<<2 {
				t.Errorf("%s: answered: the octet is %#x", c.network, got)
			}
		})
	}
}

func systemLimit(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/core/" + name)
	if err != nil {
		t.Skip(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBuffersAsAsked(t *testing.T) {
	limit := min(systemLimit(t, "rmem_max"), systemLimit(t, "wmem_max"))
	sizes := []int{limit / 2, limit}
	if os.Geteuid() == 0 {
		sizes = append(sizes, 2*limit) // forced
	}
	both(t, func(t *testing.T, opt carrier.Options) {
		for _, size := range sizes {
			opt.Buffer = size
			client, _ := dialTo(t, opt, "127.0.0.1:1")
			for _, c := range []carrier.Carrier{listenAt(t, opt, "127.0.0.1:0"), client} {
				if c.Advice() != "" {
					t.Errorf("%d bytes: advice %q", size, c.Advice())
				}
				for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
					if got := socketOption(t, udpConn(t, c), unix.SOL_SOCKET, option) / 2; got != size {
						t.Errorf("option %d: %d bytes instead of %d", option, got, size)
					}
				}
			}
		}
	})
}

// dropCap takes a capability from the calling thread.
func dropCap(capability uint) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[capability/32].Effective &^= 1 << (capability % 32)
	return unix.Capset(&header, &data[0])
}

func TestBuffersClamped(t *testing.T) {
	limit := max(systemLimit(t, "rmem_max"), systemLimit(t, "wmem_max"))
	both(t, func(t *testing.T, opt carrier.Options) {
		opt.Buffer = 2 * limit
		netns.OnThread(func() {
			if err := dropCap(unix.CAP_NET_ADMIN); err != nil {
				t.Error(err)
				return
			}
			server := listenAt(t, opt, "127.0.0.1:0")
			for _, want := range []string{
				fmt.Sprintf("instead of %d, bursts will be lost", 2*limit),
				fmt.Sprintf("net.core.rmem_max=%d", 2*limit), fmt.Sprintf("net.core.wmem_max=%d", 2*limit),
				fmt.Sprintf("buffers of %d and %d bytes (receive, send)", systemLimit(t, "rmem_max"), systemLimit(t, "wmem_max")),
			} {
				if !strings.Contains(server.Advice(), want) {
					t.Errorf("%q does not say %q", server.Advice(), want)
				}
			}
		})
	})
}

func TestBuffersOfClosedSocket(t *testing.T) {
	opt, _ := options()
	server := listenAt(t, opt, "127.0.0.1:0")
	conn := udpConn(t, server)
	server.Close()
	if _, _, ok := readBuffers(conn, 1<<20); ok {
		t.Error("the buffers of a closed socket were read")
	}
	if text := setBuffers(conn, 1<<20); !strings.Contains(text, "refused socket buffers of 1048576 bytes") || !strings.Contains(text, carrier.BufferCure(1<<20)) {
		t.Errorf("the text is %q", text)
	}
	if n := carrier.BufferSize(-1, unix.SO_RCVBUF); n != 0 {
		t.Errorf("the buffer of no socket is %d", n)
	}
}
