package rawtcp

import (
	"net"
	"runtime"
	"testing"

	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

func TestTCPAllocatesNothing(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	client, server, f := l.pair(opt, netns.Server4+":"+labPort)
	b := datagramTo(netns.Server4+":"+labPort, make([]byte, 1000))
	b[0].Size, b[0].Count = 100, 10
	if n := testkit.Allocations(func() {
		if refused, err := client.Send(b); refused != 0 || err != nil {
			t.Fatal(refused, err)
		}
		for n := 0; n < 10; {
			in, err := server.Recv()
			if err != nil {
				t.Fatal(err)
			}
			n += len(in)
		}
	}); n != 0 {
		t.Errorf("sending and receiving 10 datagrams allocates %v times", n)
	}
	in, b1 := server.socks[0], newRawBatch()
	copy(b1.space[0][:], goldenPacket(f))
	b1.messages[0].Len = uint32(len(goldenPacket(f)))
	if n := testing.AllocsPerRun(200, func() {
		b1.count, b1.found = 1, b1.found[:0]
		server.examine(in, b1)
		if len(b1.found) != 1 {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("examining a packet allocates %v times", n)
	}
}

// A carrier to which nothing comes holds no space for it. Each session of a client used to
// hold 150 KB, and each port of a server 300.
func TestTCPHoldsNothingAtRest(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	const count, enough = 10, 64 << 10 // bytes for each, with all that the connection needs
	heap := func() int64 {
		for range 3 { // a sync.Pool loses what it holds at the second
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	server := l.listen(opt, ":"+labPort)
	before := heap()
	clients := make([]*Conn, count)
	for i := range clients {
		clients[i] = l.dial(opt, net.JoinHostPort(netns.Server4, labPort))
	}
	if each := (heap() - before) / count; each > enough {
		t.Errorf("each holds %d bytes", each)
	} else {
		t.Logf("each holds %d bytes", each)
	}
	runtime.KeepAlive(clients)
	runtime.KeepAlive(server)
}

// goldenPacket is an IPv4 packet of the peer of a flow.
func goldenPacket(f *flow) []byte {
	ip := make([]byte, ipv4MinHeader)
	ip[0], ip[9] = 0x45, protocolTCP
	copy(ip[12:], f.remote.Addr().AsSlice())
	copy(ip[16:], f.local.Addr().AsSlice())
	return append(ip, build(f.remote, f.local, headerFields{seq: 1, ack: 1}, []byte("payload"))...)
}

func TestTCPSeesCorruption(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	_, server, f := l.pair(opt, netns.Server4+":"+labPort)
	good := goldenPacket(f)
	examine := func(packet []byte) int {
		b := newRawBatch()
		b.count = 1
		b.messages[0].Len = uint32(copy(b.space[0][:], packet))
		server.examine(server.socks[0], b)
		return len(b.found)
	}
	if examine(good) != 1 {
		t.Fatal("a good packet is refused")
	}
	for at := 12; at < len(good); at++ { // addresses, ports, numbers, data
		bad := append([]byte{}, good...)
		bad[at] ^= 0x01
		if examine(bad) != 0 {
			t.Errorf("a flipped bit in byte %d passes", at)
		}
	}
	for size := range good {
		if examine(good[:size]) != 0 {
			t.Errorf("the first %d bytes pass", size)
		}
	}
}
