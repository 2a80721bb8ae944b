package session

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/arq"
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

// A code that the user gives mode auto is used for a stock end only if that sends such groups
// itself. Others took parity for data.
func TestGivenCodeForStock(t *testing.T) {
	testkit.NoLeak(t)
	for _, c := range []struct {
		name         string
		data, parity int // at the stock end
		want         arq.Code
	}{{"alike", 10, 3, arq.Code{Data: 10, Parity: 3}}, {"another", 2, 2, arq.Code{}}, {"longer", 20, 6, arq.Code{}}, {"none", 0, 0, arq.Code{}}} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig(config.Server)
			cfg.Mode, cfg.DataShard, cfg.ParityShard = config.ModeAuto, 10, 3
			l, err := link.Listen(context.Background(), linkOptions(t, cfg), "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			lis, err := New(cfg).Listen(l, l)
			if err != nil {
				t.Fatal(err)
			}
			near, err := kcp.DialWithOptions(l.LocalAddr().String(), testkit.StockCipher(t, cfg.Crypt), c.data, c.parity)
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			//lint:ignore SA1019 stream mode is what the wire has, and kcp-go has no other call for it
			near.SetStreamMode(true)
			near.SetWindowSize(512, 512)
			if _, err := near.Write([]byte("up")); err != nil {
				t.Fatal(err)
			}
			conv, err := lis.Accept()
			if err != nil {
				t.Fatal(err)
			}
			far := conv.engine.(*auto)
			defer far.Close()
			testkit.Eventually(t, "the end speaks", func() bool { return far.View().Received > 0 })
			down, got := testkit.RandomBytes(2, 1<<18), make([]byte, 1<<18)
			transfer := func() {
				done := make(chan error, 1)
				go func() {
					_, err := io.Copy(far, bytes.NewReader(down))
					done <- err
				}()
				if _, err := io.ReadFull(testkit.Deadline(t, near), got); err != nil || !bytes.Equal(got, down) {
					t.Errorf("not what was sent, %v", err)
				}
				if err := testkit.Within(t, "the writer ends", done); err != nil {
					t.Error(err)
				}
			}
			if c.want.Data > 0 {
				testkit.Eventually(t, "the code is used", func() bool {
					transfer()
					return far.View().Code == c.want
				})
			}
			for range 8 {
				transfer()
			}
			if code := far.View().Code; code != c.want {
				t.Errorf("the code is %v, want %v", code, c.want)
			}
		})
	}
}
