package link

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// BenchmarkLanes is what one listening link takes from eight peers at the same
// time, received, opened and checked. The peers send sealed datagrams that were
// made before, so that next to nothing of the machine is spent on them.
func BenchmarkLanes(b *testing.B) {
	for _, form := range sealForms() {
		if !slices.Contains([]string{"aes", "aes-128-gcm", "salsa20", "twofish", "null"}, form.name) {
			continue // these show what there is to see
		}
		for _, lanes := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/%d", form.name, lanes), func(b *testing.B) { benchLanes(b, form.make(testkit.RandomBytes(3, 32)), lanes) })
		}
	}
}

func benchLanes(b *testing.B, s crypt.Sealer, lanes int) {
	opt, _ := options(s)
	opt.Buffer = 4 << 20
	server, err := Listen(context.Background(), opt, "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	const peers = 8
	// Each peer is at most ahead packets ahead of the readers: a sender without a
	// limit would only measure what the socket drops.
	const ahead = 2 * carrier.MaxSegments
	var taken [peers]atomic.Int64
	var lost atomic.Int64
	var readers, senders sync.WaitGroup
	number := sync.Map{} // of a peer, by its address
	for _, conn := range server.Lanes(lanes) {
		readers.Go(func() {
			buf := make([]byte, MaxDatagram)
			var last net.Addr
			count := new(atomic.Int64)
			for {
				_, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				if from != last {
					n, _ := number.Load(from.(*Peer).addr().String())
					last, count = from, &taken[n.(int)]
				}
				count.Add(1)
			}
		})
	}
	var clients [peers]*Conn
	for i := range clients {
		if clients[i], err = Dial(context.Background(), opt, server.LocalAddr().String()); err != nil {
			b.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(clients[i].LocalAddr().String())
		number.Store(net.JoinHostPort("127.0.0.1", port), i)
	}
	size := 1400 - s.Overhead()
	b.SetBytes(int64(size))
	b.ResetTimer()
	begin := time.Now()
	for i, c := range clients {
		senders.Go(func() {
			packet := seg(uint32(i), 81, 0, 0, string(make([]byte, size-segHeader)))
			full := &carrier.Batch{Way: c.Peer().way.Load(), Size: len(packet) + s.Overhead()}
			for full.Fits(full.Size) {
				full.Buf = s.Seal(full.Buf, packet)
				full.Add(full.Size)
			}
			for sent := int64(0); sent < int64(b.N/peers); sent += int64(full.Count) {
				for wait := time.Now(); sent-taken[i].Load() > ahead; {
					if time.Sleep(20 * time.Microsecond); time.Since(wait) > time.Second {
						lost.Add(sent - taken[i].Swap(sent))
					}
				}
				if _, err := c.sock.Send([]*carrier.Batch{full}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "datagrams/s")
	b.ReportMetric(float64(lost.Load())/float64(b.N), "lost/op")
	b.StopTimer()
	for _, c := range clients {
		c.Close()
	}
	server.Close()
	readers.Wait()
}
