package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/crypt"
	"kcptun/std/link/fec"
	"kcptun/std/testkit"
)

// codedByKCP is what a session of kcp-go with FEC wrote: packets of many sizes.
func codedByKCP(t *testing.T, shards [2]int, groups int) [][]byte {
	t.Helper()
	near, far := newTap(1), newTap(2)
	near.peer, far.peer = far, near
	open := func(p *tap) *kcp.UDPSession {
		k, err := kcp.NewConn4(captureConv, p.peer.addr, nil, shards[0], shards[1], true, p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		k.SetWriteDelay(false)
		k.SetNoDelay(1, 10, 0, 1)
		k.SetWindowSize(1024, 1024)
		_ = k.SetDeadline(time.Now().Add(testkit.Patience))
		return k
	}
	a, b := open(near), open(far)
	go func() { _, _ = io.Copy(io.Discard, b) }()
	for i := 0; len(near.packets()) < groups*(shards[0]+shards[1]); i++ {
		if _, err := a.Write(testkit.RandomBytes(uint64(i), 1+i*997%1300)); err != nil {
			t.Fatal(err)
		}
	}
	return near.packets()
}

// The same packets give the same bytes as kcp-go's encoder gives, parity included.
func TestCodedPacketsAreThoseOfKCP(t *testing.T) {
	for _, shards := range [][2]int{{3, 2}, {10, 3}, {2, 1}, {1, 1}, {20, 10}} {
		wire := codedByKCP(t, shards, 5)
		parity := 0
		synctest.Test(t, func(t *testing.T) { // no time passes in here: no parity is skipped
			enc := new(fec.Codes).Encoder(shards[0], shards[1])
			var extra [][]byte
			for i, w := range wire {
				var got []byte
				switch kind := binary.LittleEndian.Uint16(w[4:]); {
				case kind == fecData:
					got, extra = enc.Encode(w[fecHeader:])
				case kind == fecParity && len(extra) > 0:
					got, extra = extra[0], extra[1:]
					parity++
				default:
					t.Fatalf("%v: packet %d is %x", shards, i, w)
				}
				if !bytes.Equal(got, w) {
					t.Fatalf("%v: packet %d is\n     %x\nwant %x", shards, i, got, w)
				}
			}
		})
		if parity < 2*shards[1] {
			t.Errorf("%v: only %d packets of parity", shards, parity)
		}
	}
}

// From what is left of kcp-go's groups we restore what is missing.
func TestLostPacketsOfKCPAreRestored(t *testing.T) {
	for _, shards := range [][2]int{{3, 2}, {10, 3}, {2, 1}, {20, 10}} {
		rnd := rand.New(rand.NewPCG(1, 2))
		wire := make(map[uint32][]byte)
		for _, w := range codedByKCP(t, shards, 8) {
			wire[binary.LittleEndian.Uint32(w)] = w
		}
		dec := new(fec.Codes).Decoder(shards[0], shards[1])
		total := shards[0] + shards[1]
		restored := 0
		for first := 0; first < 8*total; first += total {
			lost := make(map[string]bool)
			gone := rnd.Perm(total)[:shards[1]]
			whole := true
			for i := range total {
				w := wire[uint32(first+i)]
				whole = whole && w != nil
				if whole && i < shards[0] && slices.Contains(gone, i) {
					lost[string(w[fecHeader:])] = true
				}
			}
			for i := 0; i < total && whole; i++ { // else kcp-go was held up and has left parity out
				if slices.Contains(gone, i) {
					continue
				}
				dec.Decode(wire[uint32(first+i)], func(p []byte) {
					if !lost[string(p)] {
						t.Errorf("%v: %d bytes are restored that were not lost", shards, len(p))
					}
					delete(lost, string(p))
					restored++
				})
			}
			if whole && len(lost) > 0 {
				t.Errorf("%v: %d packets of a group are not restored", shards, len(lost))
			}
		}
		if restored == 0 {
			t.Errorf("%v: nothing was restored", shards)
		}
	}
}

// bare is what kcp-go's own end has for a socket: a carrier without a link. It
// loses what it is told to.
type bare struct {
	*fakeCarrier
	losesIn, losesOut func() bool
}

func (s *bare) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		inbox, err := s.Recv()
		if err != nil {
			return 0, nil, err
		}
		if !s.losesIn() {
			return copy(b, inbox[0].Data), net.UDPAddrFromAddrPort(inbox[0].From), nil
		}
	}
}

func (s *bare) WriteTo(b []byte, _ net.Addr) (int, error) {
	if !s.losesOut() {
		_ = s.sendOne(b)
	}
	return len(b), nil
}

func (s *bare) Close() error                     { _ = s.fakeCarrier.Close(); return nil }
func (s *bare) SetDeadline(time.Time) error      { return nil }
func (s *bare) SetReadDeadline(time.Time) error  { return nil }
func (s *bare) SetWriteDeadline(time.Time) error { return nil }

// never loses nothing.
func never() bool { return false }

// oneOf loses one of n datagrams, but for the first of all: from those kcp-go learns
// the shape of the groups.
func oneOf(n int64) func() bool {
	var count atomic.Int64
	return func() bool { i := count.Add(1); return i > 100 && i%n == 0 }
}

// withStock makes a session between kcp-go's own end, with FEC of its own, and a link
// of ours, which serves or dials. A first byte has gone from one to the other.
func withStock(t *testing.T, ours, theirs [2]int, serves bool, losesIn, losesOut func() bool) (here, there *kcp.UDPSession) {
	t.Helper()
	opt, _ := options(crypt.Plain{})
	opt.DataShards, opt.ParityShards = ours[0], ours[1]
	near, far := fakePair()
	var l *Conn
	var dialled *kcp.UDPSession
	var listener *kcp.Listener
	var err, err2 error
	if serves {
		l = newConn(far, opt, netip.AddrPort{})
		listener, err = kcp.ServeConn(nil, 0, 0, l)
		end := &bare{near, losesIn, losesOut}
		t.Cleanup(func() { end.Close() })
		dialled, err2 = kcp.NewConn4(rand.Uint32(), far.LocalAddr(), nil, theirs[0], theirs[1], false, end)
	} else {
		l = newConn(near, opt, far.addr)
		end := &bare{far, losesIn, losesOut}
		t.Cleanup(func() { end.Close() })
		listener, err = kcp.ServeConn(nil, theirs[0], theirs[1], end)
		dialled, err2 = kcp.NewConn4(rand.Uint32(), l.Peer(), nil, 0, 0, false, l)
	}
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); l.Close(); listener.Close() })
	if _, err := dialled.Write([]byte{'!'}); err != nil {
		t.Fatal(err)
	}
	_ = listener.SetDeadline(time.Now().Add(testkit.Patience))
	accepted, err := listener.AcceptKCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dialled.Close() // first: what it still sends would make a new session at the other end
		accepted.Close()
	})
	here, there = dialled, accepted
	if serves {
		here, there = accepted, dialled
	}
	tune(here, l)
	tune(there, l)
	there.SetMtu(1350)
	if _, err := io.ReadFull(accepted, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return here, there
}

// A session of kcp-go's own and one over a link of ours carry their bytes over a way
// that loses some, whatever the groups of the two are, and what is lost on it is
// restored where its sender sends parity.
func TestStockAndOursRestore(t *testing.T) {
	const lose = 40
	for _, c := range []struct{ ours, theirs [2]int }{
		{[2]int{10, 3}, [2]int{10, 3}},
		{[2]int{10, 3}, [2]int{5, 2}},
		{[2]int{3, 2}, [2]int{20, 10}},
		{[2]int{0, 0}, [2]int{10, 3}},
		{[2]int{10, 3}, [2]int{0, 0}},
		{[2]int{0, 0}, [2]int{0, 0}},
	} {
		for _, serves := range []bool{true, false} {
			for _, way := range []struct {
				name              string
				losesIn, losesOut func() bool
				sender            [2]int
			}{
				{"to us", never, oneOf(lose), c.theirs},
				{"to stock", oneOf(lose), never, c.ours},
			} {
				t.Run(fmt.Sprintf("ours %v stock %v serves %v lost on the way %s", c.ours, c.theirs, serves, way.name), func(t *testing.T) {
					before := atomic.LoadUint64(&kcp.DefaultSnmp.FECRecovered)
					here, there := withStock(t, c.ours, c.theirs, serves, way.losesIn, way.losesOut)
					exchange(t, here, there, 200_000)
					if way.sender[0] == 0 {
						return
					}
					for rounds := 0; atomic.LoadUint64(&kcp.DefaultSnmp.FECRecovered) == before; rounds++ {
						if rounds == 50 {
							t.Fatal("nothing was restored")
						}
						exchange(t, here, there, 50_000) // the shape is still to be learned
					}
				})
			}
		}
	}
}

// Both ends are ours, the way loses some both ways, and memory is given back all the
// time.
func TestRestAmidTraffic(t *testing.T) {
	opt, _ := options(newAES())
	opt.DataShards, opt.ParityShards = 10, 3
	near, far := fakePair()
	for _, end := range []*fakeCarrier{near, far} {
		lost := oneOf(20)
		end.onSend = func([]byte) { end.cut.Store(lost()) }
	}
	client, server := fakeConns(t, near, far, opt)
	c, s := sessions(t, client, server)
	before := atomic.LoadUint64(&kcp.DefaultSnmp.FECRecovered)
	stop := make(chan struct{})
	var resting sync.WaitGroup
	for _, p := range []*Peer{client.Peer(), s.RemoteAddr().(*Peer)} {
		resting.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					p.Rest()
				}
			}
		})
	}
	exchange(t, c, s, 8<<20)
	close(stop)
	resting.Wait()
	for rounds := 0; atomic.LoadUint64(&kcp.DefaultSnmp.FECRecovered) == before; rounds++ {
		if rounds == 50 {
			t.Fatal("nothing is restored")
		}
		exchange(t, c, s, 50_000)
	}
}

// noted is a link whose reader the test follows: what was returned has been dealt
// with when the next is asked for.
type noted struct {
	*Conn
	asked atomic.Int64
	mu    sync.Mutex
	out   [][]byte
}

func (n *noted) ReadFrom(b []byte) (int, net.Addr, error) {
	n.asked.Add(1)
	size, from, err := n.Conn.ReadFrom(b)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.out = append(n.out, bytes.Clone(b[:size]))
	return size, from, err
}

// To kcp-go, an acknowledgement that was lost and restored much later does not make
// the round trip longer.
func TestRestoredAckTakesNoRoundTrip(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	opt.DataShards, opt.ParityShards = 2, 1
	near, far := fakePair()
	l := &noted{Conn: newConn(near, opt, far.addr)}
	t.Cleanup(func() { l.Close() })
	const conv = 7
	k, err := kcp.NewConn4(conv, l.Peer(), nil, 0, 0, false, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	tune(k, l.Conn)
	const late = 20_000 // ms
	// ackOfNext writes a byte and returns the answer to it.
	ackOfNext := func(sn uint32, late uint32) []byte {
		if _, err := k.Write([]byte{'x'}); err != nil {
			t.Fatal(err)
		}
		for {
			push := testkit.Within(t, "data", far.inbox).Data
			if parsed(push).Kind == Parity {
				continue
			}
			if push = push[fecHeader:]; push[4] != 81 || binary.LittleEndian.Uint32(push[12:]) != sn {
				continue
			}
			ack := seg(conv, 82, sn, sn+1, "")
			binary.LittleEndian.PutUint32(ack[8:], binary.LittleEndian.Uint32(push[8:])-late)
			return ack
		}
	}
	handedOut := func(n int64) {
		t.Helper()
		testkit.Eventually(t, fmt.Sprintf("%d packets are dealt with", n), func() bool { return l.asked.Load() > n })
	}
	near.deliver(codedGroup(1, ackOfNext(0, 0), seg(conv, 84, 0, 1, ""))[0], fakeServerAddr)
	aged(l.Peer())
	handedOut(1)
	wire := moved(codedGroup(1, ackOfNext(1, late), seg(conv, 84, 0, 1, "")), 1)
	near.deliver(wire[1], fakeServerAddr)
	near.deliver(wire[2], fakeServerAddr)
	handedOut(3)
	if h := parsed(l.out[2]); h.Una != 2 || h.Conv != conv {
		t.Fatalf("the third packet is %+v", h)
	}
	if l.Peer().InFlight() != 0 {
		t.Errorf("%d in flight", l.Peer().InFlight())
	}
	if srtt := k.GetSRTT(); srtt >= late/8 {
		t.Errorf("the round trip is taken for %d ms", srtt)
	}
	// The same, not restored: it would have shown.
	near.deliver(ackOfNext(2, late), fakeServerAddr)
	handedOut(4)
	if srtt := k.GetSRTT(); srtt < late/8 {
		t.Errorf("the round trip is %d ms: a late answer does not show", srtt)
	}
}
