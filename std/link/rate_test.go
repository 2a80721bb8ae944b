package link

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// limited returns a client and a server with a rate limit, and with parity or without, and
// the client's carrier.
func limited(t *testing.T, seal crypt.Sealer, rate int, parity bool) (client, server *Conn, near *fakeCarrier) {
	opt, _ := options(seal)
	opt.RateLimit = rate
	if parity {
		opt.DataShards, opt.ParityShards = 10, 3
	}
	near, far := fakePair()
	client, server = fakeConns(t, near, far, opt)
	return client, server, near
}

// The limit is on whole datagrams: these are small, and the seal is more than
// half of each.
func TestRateLimitCountsWholeDatagrams(t *testing.T) {
	const rate, burst = 20_000, 64 * MaxDatagram
	for _, seal := range []crypt.Sealer{crypt.Plain{}, newAES(), newGCM(testkit.RandomBytes(3, 32))} {
		synctest.Test(t, func(t *testing.T) {
			client, _, near := limited(t, seal, rate, false)
			sent := 0
			near.onSend = func(d []byte) { sent += len(d) }
			start := time.Now()
			for round := range 50 {
				for range 100 {
					if _, err := client.WriteTo(seg(1, 81, 0, 0, ""), client.Peer()); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait() // the flusher is done
				most := burst + rate*time.Since(start).Seconds() + 1
				if float64(sent) > most {
					t.Fatalf("%T, round %d: %d bytes after %v, most are %.0f", seal, round, sent, time.Since(start), most)
				}
			}
			// Nor is it much slower than it may be.
			if least := burst + rate*time.Since(start).Seconds() - 2*MaxDatagram; float64(sent) < least {
				t.Errorf("%T: %d bytes after %v, least are %.0f", seal, sent, time.Since(start), least)
			}
		})
	}
}

// One peer at its limit does not hold up another.
func TestRateLimitIsPerPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, _ := limited(t, crypt.Plain{}, 1, false)
		full := seg(1, 81, 0, 0, string(make([]byte, 1400)))
		start := time.Now()
		for i := range 10 {
			peer := peerOf(server, addrNumber(i), 1)
			for range 64 {
				if _, err := server.WriteTo(full, peer); err != nil {
					t.Fatal(err)
				}
			}
		}
		if spent := time.Since(start); spent != 0 {
			t.Errorf("ten bursts to ten peers took %v", spent)
		}
	})
}

func TestCloseEndsWriteToUnderLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, near := limited(t, crypt.Plain{}, 1, false)
		full := seg(1, 81, 0, 0, string(make([]byte, 1400)))
		start := time.Now()
		ended := make(chan error)
		go func() {
			for {
				if _, err := client.WriteTo(full, client.Peer()); err != nil {
					ended <- err
					return
				}
			}
		}()
		synctest.Wait() // it waits for the limit now: a datagram takes 20 minutes
		if near.sends.Load() == 0 {
			t.Error("the burst did not go out")
		}
		client.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteTo ended with %v", err)
		}
		if spent := time.Since(start); spent > closeGrace {
			t.Errorf("it ended after %v", spent)
		}
	})
}

// Parity counts, and nothing holds the lock of error correction while a packet waits for the
// limit: a session that went to sleep kept its memory, or waited for it.
func TestRateLimitWaitsOutsideOfErrorCorrection(t *testing.T) {
	const rate = 20_000
	synctest.Test(t, func(t *testing.T) {
		client, _, near := limited(t, crypt.Plain{}, rate, true)
		sent := 0
		near.onSend = func(d []byte) { sent += len(d) }
		peer, start := client.Peer(), time.Now()
		full := string(make([]byte, 1300))
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for sn := range uint32(300) {
				if _, err := client.WriteTo(seg(1, 81, sn, 0, full), peer); err != nil {
					t.Error(err)
				}
			}
		}()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if peer.pacing.waiting.Load() == 0 || !peer.outgoing.mu.TryLock() {
			t.Fatal("no packet waits, or with the lock")
		}
		peer.outgoing.mu.Unlock()
		<-stop
		synctest.Wait()
		const group = 3 * MaxDatagram // of parity
		if most := rateBurst + rate*time.Since(start).Seconds() + group; float64(sent) > most || float64(sent) < most-3*group {
			t.Errorf("%d bytes in %v, most are %.0f", sent, time.Since(start), most)
		}
	})
}

// At a limit that is used, a datagram waits all the time. What has left before it is owed all the
// same: the peer used to owe nothing, and a dead path was noticed late.
func TestOwesUsAtTheRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, _ := limited(t, crypt.Plain{}, 100, false)
		p := client.Peer()
		write := func(sn uint32) {
			if _, err := client.WriteTo(seg(7, 81, sn, 0, "data"), p); err != nil {
				t.Error(err)
			}
		}
		write(0)
		p.pacing.pacer.delay(rateBurst) // the burst is used up
		done := make(chan struct{})
		go func() {
			defer close(done)
			write(1)
		}()
		synctest.Wait()
		if n := p.InFlight(); n != 2 || !p.OwesUs() || !p.IsHeld() {
			t.Errorf("%d in flight; one is held back: %v; the peer owes us: %v", n, p.IsHeld(), p.OwesUs())
		}
		if p.received(ackOf(7, 1), 1, netip.Addr{}); p.OwesUs() {
			t.Error("it owes what has not left")
		}
		if <-done; !p.OwesUs() || p.IsHeld() {
			t.Error("it does not owe what has left, or that is still held back:", p.IsHeld())
		}
	})
}

// The engine takes new data no faster than the limit and what comes on top of it allow. Before,
// it took a whole window, sent most of it again before it had left, and kcp-go dropped what did
// not fit into its queue.
func TestNewDataWaitsForTheLimit(t *testing.T) {
	const rate, size = 200_000, 1300
	synctest.Test(t, func(t *testing.T) {
		client, _, _ := limited(t, crypt.Plain{}, rate, true)
		peer, start := client.Peer(), time.Now()
		full := string(make([]byte, size))
		queue, stop := make(chan []byte, 100_000), make(chan struct{}) // of kcp-go
		var tasks sync.WaitGroup
		tasks.Go(func() {
			for packet := range queue {
				if _, err := client.WriteTo(packet, peer); err != nil {
					t.Error(err)
				}
			}
		})
		taken, early, longest := uint32(0), 0, 0
		tasks.Go(func() {
			defer close(queue)
			for peer.AwaitRate(size, stop) {
				queue <- stamped(seg(1, 81, taken, 0, full), millis(time.Since(start)))
				if taken++; time.Since(start) < time.Second {
					early = max(early, len(queue))
				} else {
					longest = max(longest, len(queue))
				}
			}
		})
		time.Sleep(20 * time.Second)
		close(stop)
		tasks.Wait()
		// Beside the backlog, a group's parity is charged at once. The burst comes on top of it.
		most := int(rate*maxBacklog.Seconds())/size + 13
		if longest > most || early > most+rateBurst/size {
			t.Errorf("%d packets waited at the limit, and %d at first, most are %d", longest, early, most)
		}
		if least := 20 * rate / (size * 13 / 10) * 9 / 10; int(taken) < least {
			t.Errorf("%d packets were taken in 20 s, least are %d", taken, least)
		}
	})
}

// A wait for the limit ends with the session, and there is none without a limit.
func TestWaitForTheLimitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			limit int
			ends  bool // with the session only
		}{{0, false}, {1, true}} {
			client, _, _ := limited(t, crypt.Plain{}, c.limit, false)
			stop, start := make(chan struct{}), time.Now()
			time.AfterFunc(time.Second, func() {
				if held := client.Peer().IsHeld(); held != c.ends {
					t.Errorf("limit %d: a write waits, and something is held: %v", c.limit, held)
				}
				close(stop)
			})
			goesOn := true
			for range 100 {
				if goesOn = client.Peer().AwaitRate(rateBurst, stop); !goesOn {
					break
				}
			}
			if spent := time.Since(start); goesOn == c.ends || c.ends != (spent == time.Second) {
				t.Errorf("limit %d: it goes on: %v, after %v", c.limit, goesOn, spent)
			}
			<-stop
		}
	})
}

// Acknowledgements that use all of the limit delay new data, and do not keep it out: while no
// segment leaves, none shows that the delay is over.
func TestAcknowledgementsLetNewDataIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, _ := limited(t, crypt.Plain{}, 20_000, false)
		p, start := client.Peer(), time.Now()
		stop := make(chan struct{})
		var tasks sync.WaitGroup
		tasks.Go(func() {
			for sn := uint32(0); time.Since(start) < 20*time.Second; sn++ {
				packet := seg(1, 82, sn, 0, "")
				if sn == 5000 { // data, a second late
					packet = stamped(seg(1, 81, 1, 0, "x"), millis(time.Since(start)-time.Second))
				} else if sn == 0 {
					packet = seg(1, 81, 0, 0, "x")
				}
				if _, err := client.WriteTo(packet, p); err != nil {
					t.Error(err)
				}
			}
		})
		testkit.Eventually(t, "the late segment has left", func() bool { return p.ledger.sndNext.Load() == 2 })
		came := time.Now()
		time.AfterFunc(10*time.Second, func() { close(stop) })
		if !p.AwaitRate(100, stop) {
			t.Error("new data is kept out for 10 s")
		}
		if waits := time.Since(came); waits > 2*maxBacklog {
			t.Errorf("new data waits %v", waits)
		}
		tasks.Wait()
		<-stop
	})
}
