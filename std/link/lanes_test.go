package link

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// Each session of many lives in one lane, several lanes are used, and all carry
// their bytes both ways at the same time.
func TestLanesCarryKCP(t *testing.T) {
	opt, _ := options(newAES())
	opt.Buffer, opt.DataShards, opt.ParityShards = 1<<20, 10, 3
	server, err := Listen(context.Background(), opt, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	type accepted struct {
		*kcp.UDPSession
		lane int
	}
	sessions := make(chan accepted)
	for i, conn := range server.Lanes(3) {
		listener, err := kcp.ServeConn(nil, 0, 0, conn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				s, err := listener.AcceptKCP()
				if err != nil {
					return
				}
				sessions <- accepted{s, i}
			}
		}()
	}
	used := map[int]int{}
	t.Run("sessions", func(t *testing.T) {
		for n := range uint32(12) {
			client, err := Dial(context.Background(), opt, server.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { client.Close() })
			c, err := kcp.NewConn4(n, client.Peer(), nil, 0, 0, false, client)
			if err != nil {
				t.Fatal(err)
			}
			tune(c, client)
			if _, err := c.Write([]byte{'!'}); err != nil {
				t.Fatal(err)
			}
			s := testkit.Within(t, "the session", sessions)
			tune(s.UDPSession, server)
			used[s.lane]++
			t.Cleanup(func() { c.Close(); s.Close() })
			if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			t.Run("", func(t *testing.T) {
				t.Parallel()
				exchange(t, c, s, 200_000)
			})
		}
	})
	if len(used) < 2 {
		t.Errorf("12 sessions in lanes %v", used)
	}
}

// What comes from an address goes through one lane, in order, and all of it,
// however slow the readers of the lanes are.
func TestLanesKeepOrder(t *testing.T) {
	const sources, each = 60, maxEarly
	opt, _ := options(newGCM(testkit.RandomBytes(3, 32)))
	near, far := fakePair()
	_, server := fakeConns(t, near, far, opt)
	type packet struct {
		from string
		sn   uint32
		lane int
	}
	got := make(chan packet)
	for i, conn := range server.Lanes(4) {
		go func() {
			buf := make([]byte, MaxDatagram)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				h, _ := ParsePacket(buf[:n])
				got <- packet{from.(*Peer).addr().String(), h.Next - 1, i}
			}
		}()
	}
	go func() {
		for sn := range uint32(each) {
			for from := range sources {
				sealed := opt.Sealer.Seal(nil, seg(uint32(from), 81, sn, 0, "some bytes"))
				far.inbox <- carrier.Inbound{Data: sealed, Size: len(sealed), From: addrNumber(from)}
			}
		}
	}()
	next, lane := map[string]uint32{}, map[string]int{}
	for range sources * each {
		p := testkit.Within(t, "a packet", got)
		if p.sn != next[p.from] {
			t.Fatalf("%s: packet %d, want %d", p.from, p.sn, next[p.from])
		}
		if at, known := lane[p.from]; known && at != p.lane {
			t.Fatalf("%s: in lanes %d and %d", p.from, at, p.lane)
		}
		next[p.from], lane[p.from] = p.sn+1, p.lane
	}
}

// A lane whose reader does not come lets no more wait than it may. What waits is
// read afterwards, and closing ends everything.
func TestLaneIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		_, server := fakeConns(t, near, far, opt)
		conns := server.Lanes(2)
		const count = 3000
		packet := seg(1, 81, 0, 0, string(make([]byte, 1000)))
		for range count {
			far.deliver(packet, addrNumber(1))
		}
		synctest.Wait()
		l := server.laneOf(addrNumber(1))
		if waits := len(l.waiting.buf); waits > laneBytes || waits < laneBytes-len(packet) {
			t.Errorf("%d bytes wait, the bound is %d", waits, laneBytes)
		}
		if len(far.inbox) == 0 {
			t.Error("the receiver has not waited")
		}
		buf := make([]byte, MaxDatagram)
		for range count - 100 {
			if n, _, err := l.ReadFrom(buf); err != nil || n != len(packet) {
				t.Fatalf("%d bytes, %v", n, err)
			}
		}
		for range 1000 { // more than may wait
			far.deliver(packet, addrNumber(1))
		}
		synctest.Wait()
		ended := make(chan error, len(conns))
		for _, conn := range conns {
			if conn != l {
				go func() {
					_, _, err := conn.ReadFrom(make([]byte, MaxDatagram))
					ended <- err
				}()
			}
		}
		synctest.Wait()
		server.Close()
		if err := <-ended; err != net.ErrClosed {
			t.Errorf("a lane without packets: %v", err)
		}
		for {
			if _, _, err := l.ReadFrom(buf); err != nil {
				break
			}
		}
	})
}

// laneOfOne is a lane of a link, and a function that passes some datagrams of a size through
// it, without their being read to the end.
func laneOfOne(t *testing.T, size int) (l *lane, pass func(n int)) {
	t.Helper()
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	_, server := fakeConns(t, near, far, opt)
	in := &carrier.Inbound{Data: make([]byte, size), Size: size, From: addrNumber(1)}
	l = server.Lanes(2)[0].(*lane)
	return l, func(n int) {
		t.Helper()
		for range n {
			l.put(in, clock.Now())
		}
		if list, _, err := l.swap(); err != nil || len(list) != n {
			t.Fatalf("%d of %d, %v", len(list), n, err)
		}
	}
}

// Under load a lane allocates nothing.
func TestLaneAllocatesNothing(t *testing.T) {
	l, pass := laneOfOne(t, 1000)
	burst := func() { pass(200); l.laneOf(addrNumber(1)) }
	for i := 0; testing.AllocsPerRun(1, burst) > 0; i++ { // the race detector makes a sync.Pool drop things
		if i == 1000 {
			t.Fatal("it allocates for each burst")
		}
	}
}

// A lane that waits holds no memory, nor the session that it has received for. It kept what the
// last burst took until the next datagram: at a thousand ports that a stranger had flooded, more
// than a gigabyte.
func TestLaneMemory(t *testing.T) {
	for _, size := range []int{0, 1000} {
		synctest.Test(t, func(t *testing.T) {
			l, pass := laneOfOne(t, size)
			pass(200)
			data := seg(7, 81, 0, 0, "data")
			l.put(&carrier.Inbound{Data: data, Size: len(data), From: addrNumber(1)}, clock.Now())
			ended := make(chan error)
			go func() {
				var err error
				for got := 0; err == nil; got++ {
					if _, _, err = l.ReadFrom(make([]byte, MaxDatagram)); err == nil && got > 0 {
						t.Error("more has arrived")
					}
				}
				ended <- err
			}()
			synctest.Wait()
			if l.waiting != nil || l.reading != nil || l.in.inbox != nil {
				t.Errorf("after datagrams of %d bytes it holds memory", size)
			}
			if l.in.last != nil || l.in.owner != nil {
				t.Error("it holds the last peer")
			}
			l.Conn.Close()
			if err := <-ended; err != net.ErrClosed {
				t.Error(err)
			}
		})
	}
}

// What a lane gives back serves others, unless it is large and was hardly used.
func TestParcelIsGivenBack(t *testing.T) {
	for _, c := range []struct {
		name        string
		size, count int // of the datagrams, as the parcel was made
		used        int // datagrams of the last time
		kept        bool
	}{
		{"a few", 1000, 10, 1, true},
		{"a burst", 1000, 200, 200, true},
		{"a burst, then one", 1000, 200, 1, false},
		{"empty ones", 0, 200, 200, true},
		{"empty ones, then one", 0, 200, 1, false},
	} {
		p := &parcel{buf: make([]byte, c.size*c.used, c.size*c.count), list: make([]carrier.Inbound, c.used, c.count)}
		p.giveBack()
		if kept := len(p.list) == 0; kept != c.kept {
			t.Errorf("%s: kept %v", c.name, kept)
		}
	}
}

// One lane is the link itself.
func TestOneLane(t *testing.T) {
	server := listening(t)
	for _, n := range []int{-1, 0, 1} {
		if conns := server.Lanes(n); len(conns) != 1 || conns[0] != net.PacketConn(server) {
			t.Errorf("%d lanes: %v", n, conns)
		}
	}
}

// Nor may datagrams without a byte, which anybody can send, pile up.
func TestLaneIsBoundedForEmptyDatagrams(t *testing.T) {
	for _, size := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			opt, _ := options(crypt.Plain{})
			near, far := fakePair()
			_, server := fakeConns(t, near, far, opt)
			server.Lanes(2)
			go func() {
				for range 100_000 {
					select {
					case far.inbox <- carrier.Inbound{Data: make([]byte, size), Size: size, From: addrNumber(1)}:
					case <-far.closed:
						return
					}
				}
			}()
			synctest.Wait()
			l := server.laneOf(addrNumber(1))
			l.mu.Lock()
			n := len(l.waiting.list)
			l.mu.Unlock()
			if n != laneList {
				t.Errorf("%d datagrams of %d bytes wait, the bound is %d", n, size, laneList)
			}
		})
	}
}

// Closing in mid-flood ends everything, however slow the readers are.
func TestLanesCloseInFlood(t *testing.T) {
	opt, _ := options(newAES())
	server, err := Listen(context.Background(), opt, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var readers, senders sync.WaitGroup
	var read atomic.Int64
	for _, conn := range server.Lanes(4) {
		readers.Go(func() {
			buf := make([]byte, MaxDatagram)
			for {
				if _, _, err := conn.ReadFrom(buf); err != nil {
					return
				}
				read.Add(1)
				time.Sleep(time.Millisecond)
			}
		})
	}
	var stop atomic.Bool
	for range 4 {
		conn, err := net.Dial("udp", server.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		datagram := opt.Sealer.Seal(nil, seg(1, 81, 0, 0, string(make([]byte, 1000))))
		senders.Go(func() {
			defer conn.Close()
			for !stop.Load() {
				_, _ = conn.Write(datagram)
			}
		})
	}
	testkit.Eventually(t, "packets are read", func() bool { return read.Load() > 10 })
	testkit.Returns(t, "the link closes", func() { server.Close() })
	testkit.Returns(t, "the readers end", readers.Wait)
	stop.Store(true)
	senders.Wait()
}
