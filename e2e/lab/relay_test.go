package lab

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// echoUDP answers each datagram with the source address that it saw.
func echoUDP(t *testing.T, addr string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", addr)
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			_, from, err := conn.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			} else if err == nil {
				_, _ = conn.WriteTo([]byte(from.String()), from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String()
}

func testRelay(t *testing.T, cfg RelayConfig) *Relay {
	t.Helper()
	r, err := NewRelay(cfg)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func dialUDP(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask sends until an answer arrives, because datagrams may be lost outside the test's
// control.
func ask(t *testing.T, conn net.Conn) string {
	t.Helper()
	buf := make([]byte, 2048)
	for range 100 {
		_, _ = conn.Write([]byte("ping"))
		must(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		if n, err := conn.Read(buf); err == nil {
			return string(buf[:n])
		}
	}
	t.Fatal("no answer through the relay")
	return ""
}

func TestRelayForwards(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(host, func(t *testing.T) {
			if conn, err := net.ListenPacket("udp", host); err != nil {
				t.Skip("no such family here: ", err)
			} else {
				conn.Close()
			}
			noLeaks(t)
			r := testRelay(t, RelayConfig{Listen: host, Server: echoUDP(t, host)})
			a, b := dialUDP(t, r.Addr()), dialUDP(t, r.Addr())
			fromA, fromB := ask(t, a), ask(t, b)
			if fromA == fromB {
				t.Error("two clients share a source address")
			}
			if again := ask(t, a); again != fromA {
				t.Errorf("the source of a client changed from %s to %s", fromA, again)
			}
			// A datagram is counted just after it is sent.
			var up, down Counters
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
				up, down = r.Counters(Up), r.Counters(Down)
				if up.PacketsIn >= 3 && up.BytesOut == 4*up.PacketsOut && down.PacketsOut >= 3 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("counters %+v %+v", up, down)
				}
			}
		})
	}
}

func TestRelayRebind(t *testing.T) {
	noLeaks(t)
	r := testRelay(t, RelayConfig{Server: echoUDP(t, "127.0.0.1:0")})
	conn := dialUDP(t, r.Addr())
	before := ask(t, conn)
	r.Rebind()
	if after := ask(t, conn); after == before {
		t.Error("the server sees the old source port")
	}
}

func TestRelayCutAndSetFault(t *testing.T) {
	noLeaks(t)
	r := testRelay(t, RelayConfig{Server: echoUDP(t, "127.0.0.1:0")})
	conn := dialUDP(t, r.Addr())
	ask(t, conn)

	silent := func(what string, count func() uint64) {
		t.Helper()
		before := count()
		wait(t, what, func() bool {
			_, _ = conn.Write([]byte("ping"))
			return count() > before
		})
		must(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		if _, err := conn.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read %v, want a timeout", what, err)
		}
	}
	drain(conn)
	r.Cut(true)
	silent("cut", func() uint64 { return r.Counters(Up).Cut })
	r.Cut(false)
	ask(t, conn)

	must(t, r.SetFault(Down, Fault{Loss: 1}))
	drain(conn)
	silent("loss", func() uint64 { return r.Counters(Down).Lost })
	must(t, r.SetFault(Down, Fault{}))
	ask(t, conn)
	if r.SetFault(Up, Fault{Loss: 2}) == nil {
		t.Error("a loss of 2 was accepted")
	}
}

// drain discards what has arrived so far.
func drain(conn net.Conn) {
	buf := make([]byte, 2048)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

func TestRelayTableIsBounded(t *testing.T) {
	noLeaks(t)
	r := testRelay(t, RelayConfig{Server: echoUDP(t, "127.0.0.1:0"), MaxClients: 2})
	ask(t, dialUDP(t, r.Addr()))
	ask(t, dialUDP(t, r.Addr()))
	third := dialUDP(t, r.Addr())
	wait(t, "a refused packet", func() bool {
		_, _ = third.Write([]byte("ping"))
		return r.Counters(Up).Failed > 0
	})
}

// TestRelaySurvivesServerDown: ICMP errors from a port without a listener must not end a
// flow.
func TestRelaySurvivesServerDown(t *testing.T) {
	noLeaks(t)
	server, err := FreeAddr()
	must(t, err)
	r := testRelay(t, RelayConfig{Server: server})
	conn := dialUDP(t, r.Addr())
	for range 10 {
		_, _ = conn.Write([]byte("ping"))
	}
	wait(t, "the packets to be tried", func() bool { return r.Counters(Up).PacketsIn > 0 })
	echoUDP(t, server)
	ask(t, conn)
}

func TestRelayConfigErrors(t *testing.T) {
	bad := map[string]RelayConfig{
		"loss":    {Server: "127.0.0.1:9", Down: Fault{Loss: 7}},
		"server":  {Server: "nowhere"},
		"listen":  {Server: "127.0.0.1:9", Listen: "nowhere"},
		"missing": {},
	}
	for name, cfg := range bad {
		if r, err := NewRelay(cfg); err == nil {
			r.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRelayCloseTwice(t *testing.T) {
	noLeaks(t)
	r := testRelay(t, RelayConfig{Server: echoUDP(t, "127.0.0.1:0"), Up: Fault{Delay: time.Second}})
	conn := dialUDP(t, r.Addr())
	wait(t, "a packet in flight", func() bool {
		_, _ = conn.Write([]byte("ping"))
		return r.Counters(Up).PacketsIn > 0
	})
	begin := time.Now()
	must(t, r.Close())
	must(t, r.Close())
	if took := time.Since(begin); took > time.Second {
		t.Errorf("close took %v: it must not wait for packets in flight", took)
	}
}

func TestRelays(t *testing.T) {
	noLeaks(t)
	rs, err := NewRelays(RelayConfig{Server: "127.0.0.1:30000"}, 3)
	must(t, err)
	defer rs.Close()
	if n := strings.Count(rs.Addr(), "-"); n != 1 || len(rs) != 3 {
		t.Errorf("%d relays at %s", len(rs), rs.Addr())
	}
	if rs[2].server.Port != 30002 {
		t.Errorf("the third relay forwards to %v", rs[2].server)
	}
	must(t, rs.SetFault(Up, Fault{Loss: 0.5}))
	rs.Cut(true)
	if _, err := NewRelays(RelayConfig{Server: "127.0.0.1:65535"}, 2); err == nil {
		t.Error("a range above 65535 was accepted")
	}
}

// BenchmarkRelay carries bursts of 32 packets of 1350 bytes in one direction.
func BenchmarkRelay(b *testing.B) {
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	enlarge(sink)
	r, err := NewRelay(RelayConfig{Server: sink.LocalAddr().String()})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	conn, err := net.Dial("udp4", r.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	msg, buf := make([]byte, 1350), make([]byte, 2048)
	b.SetBytes(32 * 1350)
	b.ReportAllocs()
	for b.Loop() { // 32 in flight, fewer than any socket buffer holds
		for range 32 {
			_, _ = conn.Write(msg)
		}
		for range 32 {
			_ = sink.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := sink.Read(buf); err != nil {
				b.Fatal(err)
			}
		}
	}
}
