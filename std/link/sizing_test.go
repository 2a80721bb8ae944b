package link

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/clock"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// narrow is a dialled link over a path that drops datagrams above a size, and at random. It
// sends segments as KCP does, and the other end acknowledges what arrives.
type narrow struct {
	c    *Conn
	opt  Options
	book *logbook

	most   int                 // bytes in a datagram that passes
	loss   float64             // share of datagrams lost
	silent bool                // the other end sends nothing
	alone  bool                // una says what has arrived, no single acknowledgement
	full   bool                // the other end has no room
	still  bool                // all is sent in the same millisecond
	passes func(size int) bool // in place of most; nil: by most

	from  netip.AddrPort // the address of the other end
	their uint32         // the next segment of the other end

	dice     *rand.Rand
	sent     [][]byte // since the last look
	stamp    uint32
	next     uint32 // the next segment to be sent
	una      uint32 // the other end has all below it
	received map[uint32]bool
	largest  int // of what was sent
}

func newNarrow(t *testing.T) *narrow {
	opt, book := options(crypt.Plain{})
	opt.MTU = 1350
	n := &narrow{opt: opt, book: book, most: MaxDatagram, dice: rand.New(rand.NewPCG(1, 2)), received: make(map[uint32]bool), stamp: 1000, from: fakeServerAddr}
	fake := newFake(fakeClientAddr)
	fake.onSend = func(d []byte) { n.sent = append(n.sent, slices.Clone(d)) }
	n.c = newConn(fake, opt, fakeServerAddr)
	n.c.Peer().shift.Store(0)
	t.Cleanup(func() { n.c.Close() })
	return n
}

// write sends a segment in a packet of a size, and waits a little. What it says arrives, or not.
func (n *narrow) write(sn uint32, size int) {
	n.send(sn, size)
	time.Sleep(50 * time.Millisecond)
}

// send is write without the wait.
func (n *narrow) send(sn uint32, size int) {
	if !n.still {
		n.stamp++
	}
	packet := stamped(seg(1, cmdPush, sn, 0, strings.Repeat("x", size-segHeader)), n.stamp)
	_, _ = n.c.WriteTo(packet, n.c.Peer())
	synctest.Wait()
	sent := n.sent
	n.sent = nil
	for _, d := range sent {
		n.largest = max(n.largest, len(d))
		passes := len(d) <= n.most
		if n.passes != nil {
			passes = n.passes(len(d))
		}
		if passes && n.dice.Float64() >= n.loss {
			n.arrive(d)
		}
	}
}

// stick sends a segment eight times in a large packet, and returns its number.
func (n *narrow) stick() uint32 {
	stuck := n.next
	n.next++
	for range 8 {
		n.write(stuck, 1350)
		time.Sleep(time.Second / 2)
	}
	return stuck
}

// stickFor sends a segment in a large packet for some time, and returns its number.
func (n *narrow) stickFor(d time.Duration) uint32 {
	stuck := n.stick()
	for begun := time.Now(); time.Since(begun) < d; time.Sleep(time.Second / 2) {
		n.write(stuck, 1350)
	}
	return stuck
}

// arrive has the other end take a datagram, and answer.
func (n *narrow) arrive(datagram []byte) {
	cmd, sn, stamp := datagram[offsetCmd], binary.LittleEndian.Uint32(datagram[offsetSN:]), binary.LittleEndian.Uint32(datagram[offsetTS:])
	for n.received[sn] = n.received[sn] || cmd == cmdPush; n.received[n.una]; n.una++ {
	}
	answer := seg(1, cmdAck, sn, n.una, "")
	binary.LittleEndian.PutUint32(answer[offsetTS:], stamp)
	switch {
	case cmd != cmdPush:
		answer = seg(1, cmdWindow, 0, n.una, "")
	case n.alone:
		answer = stamped(seg(1, cmdPush, 0, n.una, "x"), stampGap)
	}
	if n.full {
		answer = window(answer, 0)
	}
	if !n.silent && n.dice.Float64() >= n.loss {
		admit(n.c, answer, n.from)()
	}
}

// transfer sends full segments one by one, each until it is acknowledged.
func (n *narrow) transfer(segments int) {
	for range segments {
		sn := n.next
		n.next++
		for size := n.c.Peer().Size(); !after(n.c.Peer().ledger.sndUna.Load(), sn); {
			n.write(sn, size)
		}
	}
}

// The search ends with the largest size that passes, to within sizeStep, and sends nothing
// larger afterwards. Random loss does not look like a path that is too small.
func TestSizeThatPasses(t *testing.T) {
	for _, c := range []struct {
		name       string
		most       int
		loss       float64
		alone      bool
		want, line int // size at the end; lines that say it is smaller
	}{
		{"all pass", 1500, 0, false, 1350, 0},
		{"all pass, una alone", 1500, 0, true, 1350, 0},
		{"just what is wanted", 1350, 0, false, 1350, 0},
		{"one byte less", 1349, 0, false, 1340, 1},
		{"an IPv6 tunnel", 1252, 0, false, 1246, 1},
		{"an IPv6 tunnel, una alone", 1252, 0, true, 1246, 1},
		{"no more than at first", 1200, 0, false, 1200, 1},
		{"5 % lost", 1500, 0.05, false, 1350, 0},
		{"5 % lost, una alone", 1500, 0.05, true, 1350, 0},
		{"20 % lost", 1500, 0.2, false, 1350, 0},
		{"20 % lost, una alone", 1500, 0.2, true, 1350, 0},
		{"5 % lost in an IPv6 tunnel", 1252, 0.05, false, 1246, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNarrow(t)
				n.most, n.loss, n.alone = c.most, c.loss, c.alone
				n.transfer(400) // a minute at least
				lines := n.book.with("large packets do not pass")
				if got := n.c.Peer().Size(); got != c.want || len(lines) != c.line || n.opt.Stats.Shrunk.Load() != uint64(c.line) {
					t.Errorf("size %d, want %d; logged %q; %v", got, c.want, lines, n.opt.Stats)
				}
				n.largest = 0
				n.transfer(100)
				if n.largest != c.want {
					t.Errorf("sent %d bytes after the search", n.largest)
				}
			})
		})
	}
}

// On a path shorter than a millisecond the segment of a probe is sent again with the same
// stamp, and its acknowledgement does not tell which of the two has arrived. Each probe that
// was lost used to count as one that passes then, and all that followed was stuck.
func TestProbeRepeatedInTheSameMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.most, n.still = 1252, true
		if n.transfer(50); n.largest != 1350 || n.c.Peer().Size() != baseSize {
			t.Fatalf("the size is %d, and the largest probe had %d bytes", n.c.Peer().Size(), n.largest)
		}
		n.still = false
		n.transfer(200)
		if got := n.c.Peer().Size(); got > n.most || got <= n.most-sizeStep {
			t.Errorf("then it is %d", got)
		}
	})
}

// What is small asks for no larger size, and neither does a packet that the other end could
// have recorded.
func TestNoProbeWithoutNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.silent = true
		for range 20 {
			n.write(n.next, baseSize)
			n.next++
		}
		n.silent = false
		for range 20 {
			n.write(n.next, baseSize-2*fullSlack)
			n.next++
		}
		if n.largest > baseSize {
			t.Errorf("sent %d bytes", n.largest)
		}
		n.write(n.next, baseSize) // otherwise the test shows nothing
		if n.largest != 1350 {
			t.Errorf("sent at most %d bytes", n.largest)
		}
	})
}

// An end that sends little needs large packets when it receives large ones: by its size
// kcp-go decides how often it acknowledges. Each of these allows one probe.
func TestProbeOfAnEndThatReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.most = 1252
		small := func() (size int) {
			n.largest = 0
			n.write(n.next, 100)
			n.next++
			time.Sleep(probeGap)
			return n.largest
		}
		receive := func(sn uint32, size int) {
			data := seg(1, cmdPush, sn, n.una, strings.Repeat("x", size-segHeader))
			if !admit(n.c, stamped(data, stampGap+sn), fakeServerAddr)() {
				t.Fatalf("a packet of %d bytes was dropped", size)
			}
		}
		small()
		if receive(0, baseSize); small() != 100 {
			t.Errorf("sent %d bytes before anything large came", n.largest)
		}
		if receive(1, 1350); small() != 1350 {
			t.Errorf("sent %d bytes after a large packet", n.largest)
		}
		n.write(n.next-1, 100) // the probe was lost
		if small() != 100 {
			t.Errorf("sent %d bytes after the probe", n.largest)
		}
		n.most = 1500
		if receive(2, 1350); small() != 1350 || n.c.Peer().Size() != 1350 {
			t.Errorf("sent %d bytes after another large packet; the size is %d", n.largest, n.c.Peer().Size())
		}
	})
}

// A path that has become smaller is noticed from what is stuck, and from nothing else.
func TestPathBecomesSmaller(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(n *narrow)
		want   int
	}{
		{"large ones vanish", func(n *narrow) { n.most = 1252 }, baseSize},
		{"all vanish", func(n *narrow) { n.most = 0 }, 1350},
		{"the other end is silent", func(n *narrow) { n.most, n.silent = 1252, true }, 1350},
		{"nothing vanishes", func(n *narrow) {}, 1350},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNarrow(t)
				n.transfer(10)
				c.change(n)
				stuck := n.stick()
				p := n.c.Peer()
				if got := p.Size(); got != c.want || p.way.Load().Fragments() != (c.want == baseSize) {
					t.Errorf("size %d, want %d; in fragments: %v; logged %q", got, c.want, p.way.Load().Fragments(), n.book.lines)
				}
				if p.Failure() != nil {
					t.Errorf("it ended at once: %v", p.Failure())
				}
				for range 80 {
					n.write(stuck, 1350)
					time.Sleep(time.Second / 2)
				}
				if got := p.Failure(); (got == errStuck) != (c.want == baseSize) {
					t.Errorf("after 44 s it ended with %v", got)
				}
			})
		})
	}
}

// What is stuck is sent in fragments until it has arrived, even if nothing large follows.
func TestFragmentsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.transfer(10)
		n.most = 1252
		stuck := n.stick()
		way := n.c.Peer().way.Load()
		if !way.Fragments() {
			t.Fatal("it is not sent in fragments")
		}
		if n.c.Peer().sendFrom(fakeServerAddr.Addr()); !n.c.Peer().way.Load().Fragments() {
			t.Error("not from another address")
		}
		n.most = MaxDatagram // as it is in fragments
		n.write(stuck, 1350)
		n.write(n.next, 100)
		if n.c.Peer().way.Load().Fragments() {
			t.Error("it has arrived, and what follows is sent in fragments")
		}
	})
}

// Over IPv6 the system splits only what is larger than a network card takes. Each second time
// it is sent whole, in case that it is fragments that do not pass.
func TestPaddedToBeSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.transfer(10)
		n.most = 1252
		stuck := n.stick()
		p := n.c.Peer()
		p.way.Store(p.way.Load().To(netip.MustParseAddrPort("[2001:db8::1]:29900")))
		for _, c := range []struct{ size, want int }{{1350, MaxDatagram}, {1350, 1350}, {1350, MaxDatagram}, {baseSize, baseSize}} {
			n.largest = 0
			if n.write(stuck, c.size); n.largest != c.want {
				t.Errorf("%d bytes are sent as %d, want %d", c.size, n.largest, c.want)
			}
		}
	})
}

// One of the large packets that are sent meanwhile arrives: then it is loss.
func TestLossOfTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.transfer(10)
		stuck := n.next
		for n.next++; n.next < stuck+20; n.next++ {
			n.most = 1252
			n.write(stuck, 1350)
			n.most = 1500
			n.write(n.next, 1350)
			time.Sleep(time.Second / 2)
		}
		if got := n.c.Peer().Size(); got != 1350 || len(n.book.with("large packets do not pass")) > 0 {
			t.Errorf("size %d; logged %q", got, n.book.lines)
		}
	})
}

// What is stuck gets through in fragments; then the search finds the new size.
func TestSizeAfterTheChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		n.transfer(10)
		n.most = 1252
		stuck := n.next
		n.next++
		for !n.c.Peer().way.Load().Fragments() {
			n.write(stuck, 1350)
			time.Sleep(time.Second / 2)
		}
		n.most = 1350 // in fragments
		n.write(stuck, 1350)
		n.most = 1252
		n.transfer(400)
		if got, in := n.c.Peer().Size(), n.c.Peer().way.Load().Fragments(); got != 1246 || in || len(n.book.with("larger packets pass again")) != 1 {
			t.Errorf("size %d; in fragments: %v; logged %q", got, in, n.book.lines)
		}
		n.most = 1500
		time.Sleep(searchAgain)
		n.transfer(10)
		if got := n.c.Peer().Size(); got != 1350 {
			t.Errorf("size %d, although the path is large again; logged %q", got, n.book.lines)
		}
	})
}

// The engine is told each size.
func TestOnResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t)
		var sizes []int
		n.c.Peer().OnResize(func(size int) { sizes = append(sizes, size) })
		n.transfer(10)
		n.c.Peer().sizing.restart()
		n.transfer(10)
		if want := []int{1200, 1350, 1200, 1350}; !slices.Equal(sizes, want) {
			t.Errorf("told %v, want %v", sizes, want)
		}
	})
}

// KCP takes the data of a padded packet and nothing else.
func FuzzPadded(f *testing.F) {
	f.Add(join(seg(1, cmdAck, 5, 3, ""), seg(1, cmdPush, 0, 3, "data")), uint16(100))
	f.Add(seg(1, cmdPush, 0, 0, "data"), uint16(23))
	f.Add(join(seg(1, cmdPush, 0, 0, "data"), []byte("a rest")), uint16(100))
	f.Fuzz(func(t *testing.T, packet []byte, by uint16) {
		h, ok := ParsePacket(packet)
		if !ok || h.Kind != Segments || h.Framed || len(packet) > MaxDatagram {
			t.Skip()
		}
		length := len(packet) + int(by%MaxDatagram)
		long := padded(packet, length)
		got, ok := ParsePacket(long)
		if !ok || len(long) != length {
			t.Fatalf("%d bytes, valid: %v", len(long), ok)
		}
		got.Tells, got.Number, h.Tells, h.Number = false, 0, false, 0
		if got != h {
			t.Fatalf("got %+v, want %+v", got, h)
		}
		var read [2][]byte
		for i, p := range [][]byte{packet, long} {
			k := kcp.NewKCP(h.Conv, func([]byte, int) {})
			k.Input(p, kcp.IKCP_PACKET_REGULAR, false)
			b := make([]byte, MaxDatagram)
			read[i] = b[:max(k.Recv(b), 0)]
		}
		if !slices.Equal(read[0], read[1]) {
			t.Fatalf("KCP reads %q of the padded packet, and %q of the packet", read[1], read[0])
		}
	})
}

// An acknowledgement tells of 1024 segments before its own at most, as for mode auto: more
// would be believed about segments that it says nothing of.
func TestRunBefore(t *testing.T) {
	for data, want := range map[string]uint32{"": 0, "\x05": 0, "\x05\x00": 5, "\x00\x04": mostRun, "\x01\x04": mostRun, "\xff\xff": mostRun, "\x05\x00\x00": 0} {
		if got := runBefore(seg(7, 82, 9, 1, data)); got != want {
			t.Errorf("%x: %d, want %d", data, got, want)
		}
	}
}

// What asks the peer for an answer waited for room in the outbox with the lock of the sizing
// held. The reader of that peer and of all others in its lane then waited as well.
func TestSizingDoesNotWaitForOutbox(t *testing.T) {
	server, p := livingAt(t)
	p.sizing.init(1400)
	now := clock.Now()
	p.sizing.watch.sent(5, now-2*sameSend, 0)
	p.sizing.watch.sent(5, now-sameSend, 0)
	server.out.queued.Store(maxQueued + 1)
	oldest := ofServer(seg(7, 81, 5, 3, string(make([]byte, 1300))))
	asks := make(chan bool, 1)
	go func() {
		_, ask := server.measure(oldest, p, parsed(oldest), false)
		asks <- ask
	}()
	if !testkit.Within(t, "measuring", asks) {
		t.Error("the peer is not asked")
	}
}
