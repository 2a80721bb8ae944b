package link

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/crypt"
	"kcptun/std/link/fec"
	"kcptun/std/testkit"
)

// codedGroup is what goes over the wire of packets that make a group, the first one.
func codedGroup(parity int, packets ...[]byte) [][]byte {
	enc := new(fec.Codes).Encoder(len(packets), parity)
	for {
		var wire [][]byte
		for _, p := range packets {
			framed, extra := enc.Encode(p)
			wire = append(wire, bytes.Clone(framed))
			for _, e := range extra {
				wire = append(wire, bytes.Clone(e))
			}
		}
		if len(wire) == len(packets)+parity {
			return moved(wire, 0)
		} // else this goroutine has paused for so long that there was no parity
	}
}

// moved gives a group another place in the sequence.
func moved(wire [][]byte, group int) [][]byte {
	for i, w := range wire {
		binary.LittleEndian.PutUint32(w, uint32(group*len(wire)+i))
	}
	return wire
}

// textOf is data of a size, other data for each number.
func textOf(n, size int) string { return string(testkit.RandomBytes(uint64(n), size)) }

// pushes are data packets of a conversation, of any sizes.
func pushes(conv uint32, n int) (packets [][]byte) {
	for i := range n {
		packets = append(packets, seg(conv, 81, uint32(i), 0, textOf(i, 50+31*i)))
	}
	return packets
}

// grown is by how much counters of kcp-go grow in f: the least of some runs, as
// sessions of tests before may still be ending.
func grown(f func(), counters ...*uint64) []int64 {
	var least []int64
	for range 4 {
		var now []int64
		for _, c := range counters {
			now = append(now, -int64(atomic.LoadUint64(c)))
		}
		f()
		for i, c := range counters {
			now[i] += int64(atomic.LoadUint64(c))
			if least != nil {
				now[i] = min(now[i], least[i])
			}
		}
		least = now
	}
	return least
}

// sent takes what a link has sent to a carrier.
func sent(to *fakeCarrier) (datagrams [][]byte) {
	for len(to.inbox) > 0 {
		in := <-to.inbox
		datagrams = append(datagrams, in.Data)
	}
	return datagrams
}

// Each group is followed by its parity, and kcp-go's counters say so.
func TestParityIsSentAndCounted(t *testing.T) {
	for _, seal := range []crypt.Sealer{crypt.Plain{}, newAES(), sealForms()[0].make(testkit.RandomBytes(3, 32)), newGCM(testkit.RandomBytes(3, 32))} {
		packets := pushes(1, 3)
		want := codedGroup(2, packets...)
		synctest.Test(t, func(t *testing.T) {
			opt, _ := options(seal)
			opt.DataShards, opt.ParityShards = 3, 2
			near, far := fakePair()
			client, _ := fakeConns(t, near, nobody(far), opt)
			group, extra := 0, int64(0)
			counts := grown(func() {
				var said []int
				for _, p := range packets {
					n, err := client.WriteTo(p, client.Peer())
					if err != nil {
						t.Fatal(err)
					}
					said = append(said, n)
				}
				synctest.Wait()
				got := sent(far)
				if len(got) != 5 {
					t.Fatalf("%T: %d datagrams for a group", seal, len(got))
				}
				extra = 0
				for i, d := range got {
					if i < 3 && said[i] != len(d) {
						t.Errorf("%T: WriteTo says %d, the datagram has %d", seal, said[i], len(d))
					} else if i >= 3 {
						extra += int64(len(d))
					}
					if packet, ok := opt.Sealer.Open(d); !ok || !bytes.Equal(packet, moved(want, group)[i]) {
						t.Errorf("%T: packet %d of group %d is %x\nwant %x", seal, i, group, packet, want[i])
					}
				}
				group++
			}, &kcp.DefaultSnmp.OutPkts, &kcp.DefaultSnmp.OutBytes)
			if counts[0] != 2 || counts[1] != extra {
				t.Errorf("%T: counted %v, sent 2 packets of parity with %d bytes", seal, counts, extra)
			}
		})
	}
}

// nobody is a carrier whose link receives nothing: a test reads its inbox.
func nobody(f *fakeCarrier) *fakeCarrier {
	mute := newFake(f.addr)
	mute.peer = f.peer
	return mute
}

func TestOverheadIsWhatIsAdded(t *testing.T) {
	for _, seal := range []crypt.Sealer{crypt.Plain{}, newAES(), newGCM(testkit.RandomBytes(3, 32))} {
		for _, shards := range [][2]int{{0, 0}, {3, 0}, {0, 2}, {10, 3}} {
			opt, _ := options(seal)
			opt.DataShards, opt.ParityShards = shards[0], shards[1]
			near, far := fakePair()
			client, _ := fakeConns(t, near, nobody(far), opt)
			packet := seg(1, 81, 0, 0, "some data")
			n, err := client.WriteTo(packet, client.Peer())
			if err != nil {
				t.Fatal(err)
			}
			d := <-far.inbox
			if added := len(d.Data) - len(packet); client.Overhead() != added || n != len(d.Data) {
				t.Errorf("%T %v: the overhead is %d, WriteTo says %d of %d; %d were added", seal, shards, client.Overhead(), n, len(d.Data), added)
			}
			if coded := len(packet)+seal.Overhead() != len(d.Data); coded != (shards[0]*shards[1] > 0) {
				t.Errorf("%T %v: coded is %v", seal, shards, coded)
			}
		}
	}
}

// Parity is traffic as any other. It leaves at once behind its packet, and what follows waits
// for it.
func TestParityCountsForRateLimit(t *testing.T) {
	const rate, burst, group = 20_000, rateBurst, 2 * 64 // group: two short datagrams of parity
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(newAES())
		opt.RateLimit, opt.DataShards, opt.ParityShards = rate, 2, 2
		near, far := fakePair()
		bytesSent, parity := 0, 0
		near.onSend = func(d []byte) {
			bytesSent += len(d)
			if packet, _ := opt.Sealer.Open(bytes.Clone(d)); parsed(packet).Kind == Parity {
				parity++
			}
		}
		client, _ := fakeConns(t, near, far, opt)
		start := time.Now()
		for i := range 4000 {
			if _, err := client.WriteTo(seg(1, 81, uint32(i), 0, "data"), client.Peer()); err != nil {
				t.Fatal(err)
			}
			if i%100 == 99 {
				synctest.Wait()
				if most := burst + rate*time.Since(start).Seconds() + 1 + group; float64(bytesSent) > most {
					t.Fatalf("%d bytes after %v, most are %.0f", bytesSent, time.Since(start), most)
				}
			}
		}
		synctest.Wait()
		if least := burst + rate*time.Since(start).Seconds() - 2*MaxDatagram; parity != 4000 || float64(bytesSent) < least {
			t.Errorf("%d packets of parity, %d bytes after %v, least are %.0f", parity, bytesSent, time.Since(start), least)
		}
	})
}

// What is not a packet of segments alone goes as it is, and takes no number.
func TestOtherPacketsAreNotFramed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		opt.DataShards, opt.ParityShards = 2, 1
		near, far := fakePair()
		client, _ := fakeConns(t, near, nobody(far), opt)
		for _, c := range []struct {
			name   string
			packet []byte
			framed bool
		}{
			{"framed by kcp-go", withFEC(0xf1, seg(1, 81, 0, 0, "data")), false},
			{"parity of kcp-go", withFEC(0xf2, make([]byte, 40)), false},
			{"out of band", withFEC(0xf3, []byte{1, 0, 0, 0, 'x'}), false},
			{"out of band and empty", withFEC(0xf3, []byte{1, 0, 0, 0}), false},
			{"no packet", []byte("any bytes that are no packet of kcp"), false},
			{"too long for a header", seg(1, 81, 0, 0, textOf(1, fec.MaxPacket-fec.Header-segHeader+1)), false},
			{"as long as it may be", seg(1, 81, 0, 0, textOf(1, fec.MaxPacket-fec.Header-segHeader)), true},
			{"an ack", seg(1, 82, 0, 0, ""), true},
		} {
			n, err := client.WriteTo(c.packet, client.Peer())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			got := sent(far)
			want := c.packet
			if c.framed {
				want = withFEC(0xf1, c.packet)
				copy(want, got[0][:4])
			}
			if !bytes.Equal(got[0], want) || n != len(want) {
				t.Errorf("%s: %d bytes are sent, WriteTo says %d, want %d", c.name, len(got[0]), n, len(want))
			}
			if c.name == "as long as it may be" && (binary.LittleEndian.Uint32(got[0]) != 0 || len(got) != 1) {
				t.Errorf("the first framed packet begins with %x, and %d datagrams follow", got[0][:8], len(got)-1)
			}
		}
	})
}

// A group that was begun before a rest has no parity, the next has. A writer that the
// rate limit holds up does not hold up the rest.
func TestRestOfSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		opt.DataShards, opt.ParityShards, opt.RateLimit = 3, 2, 1000
		near, far := fakePair()
		client, _ := fakeConns(t, near, nobody(far), opt)
		p := client.Peer()
		p.Rest() // nothing was sent yet
		write := func(n int) {
			for range n {
				if _, err := client.WriteTo(seg(1, 81, 0, 0, "data"), p); err != nil {
					t.Error(err)
				}
			}
			synctest.Wait()
		}
		write(1)
		p.Rest()
		if write(2); len(sent(far)) != 3 {
			t.Error("the group that was begun has parity")
		}
		if write(3); len(sent(far)) != 5 {
			t.Error("the next has none")
		}
		write(2)
		p.pacing.pacer.delay(rateBurst)
		begin := time.Now()
		go write(1)
		synctest.Wait()
		if p.pacing.waiting.Load() != 1 {
			t.Fatal("the writer does not wait")
		}
		if p.Rest(); time.Since(begin) > 0 {
			t.Error("the rest waits for a writer")
		}
		time.Sleep(time.Hour)
		if n := len(sent(far)); n != 5 {
			t.Errorf("%d datagrams of a group that was being sent", n)
		}
	})
}
