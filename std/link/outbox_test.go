package link

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// alwaysBurst lets no writer of a link send himself.
func alwaysBurst(c *Conn) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.burstUntil = time.Now().Add(time.Hour)
}

// A datagram alone leaves with its writer, one of a burst with the flusher, and none
// is lost between the two.
func TestLoneAndBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		gate := make(chan struct{})
		sent := 0
		near.sendFault = func(int64) error { sent++; <-gate; return nil }
		client, _ := fakeConns(t, near, far, opt)
		write := func() <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := client.WriteTo(seg(1, 81, 0, 0, "x"), client.Peer())
				done <- err
			}()
			synctest.Wait()
			return done
		}
		time.Sleep(time.Second) // nothing before it
		lone := write()
		if len(lone) > 0 || sent != 1 {
			t.Errorf("the writer does not send himself: %d sent", sent)
		}
		follows := write()
		if len(follows) != 1 || sent != 1 {
			t.Errorf("the writer of the next waits for the socket: %d sent", sent)
		}
		gate <- struct{}{}
		synctest.Wait()
		if len(lone) != 1 || sent != 2 {
			t.Errorf("what came meanwhile is not sent: %d sent", sent)
		}
		gate <- struct{}{}
		synctest.Wait()
		if inBurst := write(); len(inBurst) != 1 || sent != 3 {
			t.Errorf("in a burst the writer waits for the socket: %d sent", sent)
		}
		close(gate)
		time.Sleep(burstLasts + time.Millisecond)
		if <-write(); sent != 4 {
			t.Errorf("%d sent in the end", sent)
		}
	})
}

// A writer that outruns the socket waits for room, and is woken each time. The
// socket takes nothing until the writer waits.
func TestWriterWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		gate := make(chan struct{})
		near.sendFault = func(int64) error { <-gate; return nil }
		client, _ := fakeConns(t, near, far, opt)
		alwaysBurst(client)
		packet := seg(1, 81, 0, 0, string(make([]byte, 1400)))
		written := 0
		done := make(chan error)
		go func() {
			for range 2 * maxQueued / len(packet) {
				if _, err := client.WriteTo(packet, client.Peer()); err != nil {
					done <- err
					return
				}
				written++
			}
			done <- nil
		}()
		synctest.Wait() // all that can go on has gone on
		if bytes := written * len(packet); bytes < maxQueued || bytes > maxQueued+2*len(packet) {
			t.Errorf("%d bytes wait for the socket, the bound is %d", bytes, maxQueued)
		}
		close(gate)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// Close frees a writer that waits for room, and loses only what does not get out
// in time.
func TestCloseFreesWaitingWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		near.sendFault = func(int64) error { <-near.closed; return net.ErrClosed } // stuck
		client, _ := fakeConns(t, near, far, opt)
		alwaysBurst(client)
		packet := seg(1, 81, 0, 0, string(make([]byte, 1400)))
		start := time.Now()
		done := make(chan time.Duration)
		go func() {
			for {
				if _, err := client.WriteTo(packet, client.Peer()); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("WriteTo ended with %v", err)
					}
					done <- time.Since(start)
					return
				}
			}
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- client.Close() }()
		if spent := <-done; spent != 0 {
			t.Errorf("WriteTo ended %v after Close", spent)
		}
		<-closed
		if spent := time.Since(start); spent > closeGrace {
			t.Errorf("Close took %v", spent)
		}
	})
}

// What was written before Close goes out, through a socket that takes its time.
func TestCloseSendsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(newAES())
		near, far := fakePair()
		near.sendFault = func(int64) error { time.Sleep(100 * time.Microsecond); return nil }
		sent := 0
		near.onSend = func([]byte) { sent++ }
		client, _ := fakeConns(t, near, far, opt)
		for i := range 500 {
			if _, err := client.WriteTo(seg(1, 81, uint32(i), 0, "data"), client.Peer()); err != nil {
				t.Fatal(err)
			}
		}
		client.Close()
		if sent != 500 {
			t.Errorf("%d of 500 went out", sent)
		}
	})
}

// Several writers to several peers: every datagram arrives whole, and those to a
// peer with one writer, as kcp-go has, in their order.
func TestOutboxKeepsDatagramsApart(t *testing.T) {
	for _, s := range []crypt.Sealer{crypt.Plain{}, newAES(), sealForms()[0].make(testkit.RandomBytes(3, 32)), newGCM(testkit.RandomBytes(3, 32))} {
		t.Run(fmt.Sprintf("%T", s), func(t *testing.T) { checkApart(t, s) })
	}
}

func checkApart(t *testing.T, s crypt.Sealer) {
	opt, _ := options(s)
	near, far := fakePair()
	far.inbox = make(chan carrier.Inbound, 1<<16)
	near.peer = nil
	var mu sync.Mutex
	got := make(map[uint32][]uint32) // sequence numbers by conversation
	near.onSend = func(d []byte) {
		packet, ok := opt.Sealer.Open(append([]byte(nil), d...))
		h, shaped := ParsePacket(packet)
		if !ok || !shaped {
			t.Error("a datagram is broken")
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got[h.Conv] = append(got[h.Conv], h.Next-1)
	}
	_, server := fakeConns(t, far, near, opt) // it sends through near
	const writers, packets, alone = 8, 2000, 4
	var wg sync.WaitGroup
	for w := range writers {
		peer := peerOf(server, addrNumber(min(w, alone)), 1) // the others share one
		wg.Go(func() {
			data := string(testkit.RandomBytes(uint64(w), 1400))
			for i := range packets {
				size := []int{1400, 1400, 1400, 10, 700}[i%5]
				if _, err := server.WriteTo(seg(uint32(w+1), 81, uint32(i), 0, data[:size]), peer); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	testkit.Returns(t, "the end of the writers", wg.Wait)
	server.Close()
	for w := range writers {
		list := got[uint32(w+1)]
		if len(list) != packets {
			t.Errorf("writer %d: %d of %d datagrams", w, len(list), packets)
		}
		if w >= alone {
			continue
		}
		for i, sn := range list {
			if sn != uint32(i) {
				t.Fatalf("writer %d: number %d at place %d", w, sn, i)
			}
		}
	}
}
