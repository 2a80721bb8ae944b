package session

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/config"
	"kcptun/std/crypt"
	"kcptun/std/link"
	"kcptun/std/testkit"
)

// A session of kcp-go's own, crypto and all, against one over our link: the real
// thing for each cipher, with FEC.
func TestStockSessionOverOurLink(t *testing.T) {
	testkit.NoLeak(t)
	for _, name := range crypt.Names() {
		if name == "sm4" {
			continue // kcp-go's own session spoils its packets: see newSM4
		}
		t.Run(name, func(t *testing.T) {
			c := testConfig(config.Server)
			c.Crypt, c.MTU, c.DataShard, c.ParityShard = name, link.MaxDatagram, 2, 1
			l, err := link.Listen(context.Background(), linkOptions(t, c), "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			lis, err := kcp.ServeConn(nil, 0, 0, l)
			if err != nil {
				t.Fatal(err)
			}
			defer lis.Close()
			near, err := kcp.DialWithOptions(l.LocalAddr().String(), testkit.StockCipher(t, name), 3, 2)
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			//lint:ignore SA1019 stream mode is what the wire has, and kcp-go has no other call for it
			near.SetStreamMode(true)
			near.SetNoDelay(1, 10, 2, 1)
			near.SetMtu(link.MaxDatagram)
			up, down := testkit.RandomBytes(1, 50_000), testkit.RandomBytes(2, 50_000)
			if _, err := near.Write(up); err != nil {
				t.Fatal(err)
			}
			far, err := lis.AcceptKCP()
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			defer closeListener(l, lis)
			New(c).newClassic(far, l, l.Peer())
			if _, err := far.Write(down); err != nil {
				t.Fatal(err)
			}
			for what, r := range map[string]struct {
				conn *kcp.UDPSession
				want []byte
			}{"up": {far, up}, "down": {near, down}} {
				got := make([]byte, len(r.want))
				if _, err := io.ReadFull(testkit.Deadline(t, r.conn), got); err != nil || !bytes.Equal(got, r.want) {
					t.Errorf("%s: not what was sent, %v", what, err)
				}
			}
		})
	}
}
