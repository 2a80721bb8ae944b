package link

import (
	"context"
	"net"
	"strings"
	"testing"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// both runs a test with and without the system's offloads.
func both(t *testing.T, test func(t *testing.T, opt Options)) {
	for _, plain := range []bool{true, false} {
		name := "offload"
		if plain {
			name = "plain"
		}
		t.Run(name, func(t *testing.T) {
			opt, _ := options(newAES())
			opt.OneByOne = plain
			test(t, opt)
		})
	}
}

func listenAt(t *testing.T, opt Options, local string) (*Conn, string) {
	t.Helper()
	server, err := Listen(context.Background(), opt, local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	_, port, err := net.SplitHostPort(server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return server, port
}

func dialTo(t *testing.T, opt Options, remote string) *Conn {
	t.Helper()
	client, err := Dial(context.Background(), opt, remote)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// ask sends a packet to the server, which answers, and returns the server's peer.
func ask(t *testing.T, client, server *Conn) *Peer {
	t.Helper()
	var peer *Peer
	testkit.Returns(t, "a packet there and back", func() {
		b := make([]byte, MaxDatagram)
		if _, err := client.WriteTo(seg(1, 81, 0, 0, "there"), client.Peer()); err != nil {
			t.Error(err)
		}
		n, from, err := server.ReadFrom(b)
		if err != nil || !strings.HasSuffix(string(b[:n]), "there") {
			t.Errorf("the server reads %q, %v", b[:n], err)
			return
		}
		peer = from.(*Peer)
		if _, err := server.WriteTo(seg(1, 81, 0, 0, "back"), peer); err != nil {
			t.Error(err)
		}
		n, from, err = client.ReadFrom(b)
		if err != nil || !strings.HasSuffix(string(b[:n]), "back") || from != net.Addr(client.Peer()) {
			t.Errorf("the client reads %q from %v, %v", b[:n], from, err)
		}
	})
	return peer
}

func TestUDPAddresses(t *testing.T) {
	for _, c := range []struct {
		name, local, host string
		ipv6              bool
	}{
		{"IPv4", "127.0.0.1:0", "127.0.0.1", false},
		{"by name", "127.0.0.1:0", "localhost", false},
		{"IPv6", "[::1]:0", "::1", true},
		{"every address, IPv4", ":0", "127.0.0.1", false},
		{"every address, IPv6", ":0", "::1", true},
		{"every address of both, IPv4", "[::]:0", "127.0.0.1", false},
		{"every address of both, IPv6", "[::]:0", "::1", true},
		{"every address of IPv4", "0.0.0.0:0", "127.0.0.1", false},
		{"IPv4 in the form of IPv6", ":0", "::ffff:127.0.0.1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ipv6 {
				testkit.NeedIPv6(t)
			}
			both(t, func(t *testing.T, opt Options) {
				server, port := listenAt(t, opt, c.local)
				client := dialTo(t, opt, net.JoinHostPort(c.host, port))
				peer := ask(t, client, server)
				prefix := "127.0.0.1:"
				if c.ipv6 {
					prefix = "[::1]:"
				}
				if !strings.HasPrefix(peer.String(), prefix) {
					t.Errorf("the server's peer is %v", peer)
				}
				if want := prefix + port; client.Peer().String() != want {
					t.Errorf("the client's peer is %v, want %s", client.Peer(), want)
				}
			})
		})
	}
}

// 0.0.0.0 leaves the port free for somebody else's IPv6.
func TestUDPIPv4Alone(t *testing.T) {
	testkit.NeedIPv6(t)
	both(t, func(t *testing.T, opt Options) {
		_, port := listenAt(t, opt, "0.0.0.0:0")
		other, err := net.ListenPacket("udp6", "[::1]:"+port)
		if err != nil {
			t.Fatalf("0.0.0.0 has taken IPv6, too: %v", err)
		}
		other.Close()
	})
}

// A dialled link hears its peer alone.
func TestUDPForeign(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		server, port := listenAt(t, opt, "127.0.0.1:0")
		client := dialTo(t, opt, "127.0.0.1:"+port)
		peer := ask(t, client, server)
		stranger, err := net.Dial("udp4", peer.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		good := opt.Sealer.Seal(nil, seg(1, 81, 0, 0, "from a stranger"))
		if _, err := stranger.Write(good); err != nil {
			t.Fatal(err)
		}
		// In one queue: what follows is read after it.
		testkit.Eventually(t, "the stranger is counted", func() bool {
			ask(t, client, server)
			return opt.Stats.Foreign.Load() == 1
		})
	})
}

func TestUDPErrors(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // no question to a name server
	for _, remote := range []string{"", "127.0.0.1", "127.0.0.1:no-such-service", "127.0.0.1:65536", "no-such-host.invalid:1", ":1"} {
		if c, err := Dial(ctx, opt, remote); err == nil {
			c.Close()
			t.Errorf("dialled %q", remote)
		}
	}
	server, port := listenAt(t, opt, "127.0.0.1:0")
	for _, local := range []string{"127.0.0.1", "127.0.0.1:" + port, "127.0.0.1:65536", "192.0.2.77:0"} {
		if c, err := Listen(context.Background(), opt, local); err == nil {
			c.Close()
			t.Errorf("listens on %q", local)
		}
	}
	if server.Advice() != "" {
		t.Errorf("advice without a wish: %q", server.Advice())
	}
}

// Peers of a listening link are told apart by port.
func TestUDPPeersApart(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		server, port := listenAt(t, opt, "127.0.0.1:0")
		seen := make(map[*Peer]bool)
		for range 4 {
			client := dialTo(t, opt, "127.0.0.1:"+port)
			first := ask(t, client, server)
			if again := ask(t, client, server); again != first || seen[first] {
				t.Error("a client is not one peer")
			}
			seen[first] = true
		}
	})
}

func TestUDPExchange(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			if host == "::1" {
				testkit.NeedIPv6(t)
			}
			both(t, func(t *testing.T, opt Options) {
				opt.Buffer, opt.DataShards, opt.ParityShards = 1<<20, 10, 3
				client, server := udpConns(t, opt, host)
				c, s := sessions(t, client, server)
				exchange(t, c, s, 2<<20)
			})
		})
	}
}
