package lab

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// quiet expects no answer, whatever is sent, because the relay drops it.
func quiet(t *testing.T, r *Relay, conn net.Conn) {
	t.Helper()
	drain(conn)
	before := r.Counters(Up).Cut
	wait(t, "dropped packets", func() bool {
		_, _ = conn.Write([]byte("ping"))
		return r.Counters(Up).Cut >= before+3
	})
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes came through", n)
	}
}

func addrPort(conn net.Conn) netip.AddrPort {
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func TestRelayBlocksFlows(t *testing.T) {
	noLeaks(t)
	r := testRelay(t, RelayConfig{Server: echoUDP(t, "127.0.0.1:0")})
	a, b := dialUDP(t, r.Addr()), dialUDP(t, r.Addr())
	ask(t, a)
	ask(t, b)
	if n := len(r.Clients()); n != 2 {
		t.Fatalf("the relay knows %d clients", n)
	}
	r.Block(addrPort(a))
	quiet(t, r, a)
	ask(t, b)
	r.Block() // blocks b; a stays blocked
	quiet(t, r, a)
	quiet(t, r, b)
	r.Rebind()
	quiet(t, r, a) // a new port on the server's side does not help
	ask(t, dialUDP(t, r.Addr()))
}

// Packets in flight when a flow is blocked do not arrive either, in both directions.
func TestBlockReachesPacketsInFlight(t *testing.T) {
	client := netip.MustParseAddrPort("192.0.2.1:1000")
	inBubble(t, Fault{Delay: 10 * time.Millisecond}, func(p *probe) {
		p.carry(client, packet(0))
		p.carry(netip.AddrPort{}, packet(1))
		p.barrier.block([]netip.AddrPort{client})
		p.carry(client, packet(2))
		time.Sleep(time.Second)
		if len(p.all()) != 1 || p.cut.Load() != 2 {
			t.Errorf("%d arrived and %d were cut, want 1 and 2", len(p.all()), p.cut.Load())
		}
	})
}

func TestRecordAndReplay(t *testing.T) {
	noLeaks(t)
	server := echoUDP(t, "127.0.0.1:0")
	r := testRelay(t, RelayConfig{Server: server})
	conn := dialUDP(t, r.Addr())
	before := ask(t, conn) // not recorded
	rec := r.Record(100)
	for i := range 40 { // the fault comes after the recording
		must(t, r.SetFault(Down, Fault{Loss: float64(i % 2)}))
		_, _ = fmt.Fprintf(conn, "order %02d", i)
	}
	wait(t, "all answers", func() bool { return len(rec.Datagrams(Down)) == 40 })
	r.StopRecording()
	must(t, r.SetFault(Down, Fault{}))
	ask(t, conn)
	list := rec.Datagrams(Up)
	if len(list) != 40 || len(rec.Datagrams(Down)) != 40 {
		t.Fatalf("%d and %d datagrams recorded", len(list), len(rec.Datagrams(Down)))
	}
	for i, d := range list {
		if string(d.Data) != fmt.Sprintf("order %02d", i) || d.Client != addrPort(conn) {
			t.Fatalf("datagram %d is %q of %v", i, d.Data, d.Client)
		}
	}

	s, err := NewStranger(server, "127.0.0.7")
	must(t, err)
	defer s.Close()
	must(t, s.Replay(deadline(t), list))
	wait(t, "an answer to each", func() bool { return s.Answers() == len(list) })
	if s.Addr().String() == before {
		t.Error("the stranger sends from the client's port")
	}
}

func TestRecordingIsBounded(t *testing.T) {
	noLeaks(t)
	r := testRelay(t, RelayConfig{Server: echoUDP(t, "127.0.0.1:0")})
	rec := r.Record(2)
	for range 5 {
		ask(t, dialUDP(t, r.Addr()))
	}
	if up, down := rec.Datagrams(Up), rec.Datagrams(Down); len(up) != 2 || len(down) != 2 {
		t.Errorf("%d and %d datagrams kept", len(up), len(down))
	}
}

// Inject sends to the server as the client, and to the client as the server.
func TestInject(t *testing.T) {
	noLeaks(t)
	r := testRelay(t, RelayConfig{Server: echoUDP(t, "127.0.0.1:0")})
	conn := dialUDP(t, r.Addr())
	seenAs := ask(t, conn)
	drain(conn)
	must(t, r.Inject(Up, addrPort(conn), []byte("not the client's")))
	buf := make([]byte, 100)
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := conn.Read(buf)
	must(t, err)
	if string(buf[:n]) != seenAs {
		t.Errorf("the server saw it come from %s, the client from %s", buf[:n], seenAs)
	}
	must(t, r.Inject(Down, addrPort(conn), []byte("not the server's")))
	for string(buf[:n]) != "not the server's" { // there may be late answers to ask before it
		n, err = conn.Read(buf)
		must(t, err)
	}
}

func TestStrangerErrors(t *testing.T) {
	for name, addrs := range map[string][2]string{
		"server": {"nowhere", ""},
		"local":  {"127.0.0.1:9", "192.0.2.77"}, // not an address of this machine
	} {
		if s, err := NewStranger(addrs[0], addrs[1]); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
}
