package e2e_test

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// An order is delivered only once, even if the server is killed and restarted in the middle
// of a group of error correction. The server used to restore the order's packet from parity
// and take it for a new session: in one of four rounds, the target received the order
// again.
func TestOrderIsDeliveredOnceAcrossRestart(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	for name, p := range map[string]plan{
		"fast":         engines["fast"],
		"auto":         engines["auto"],
		"older client": {both: smux2, oldSide: "client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			orderOnce(t, p)
		})
	}
}

func orderOnce(t *testing.T, p plan) {
	for range 8 {
		var orders atomic.Int64
		hand := startHand(t, func(conn *net.TCPConn) {
			defer conn.Close()
			b := make([]byte, 3)
			if _, err := io.ReadFull(conn, b); err == nil && string(b) == "pay" {
				orders.Add(1)
			}
			_, _ = conn.Write([]byte("done"))
		})
		p.listen, p.target = freeAddr(t), hand.addr()
		tn := start(t, p)
		send := func(text string, patience time.Duration) bool {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conn, err := tn.dial(ctx)
			if err != nil {
				return false
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, _ = conn.Write([]byte(text))
			n, _ := io.ReadFull(conn, make([]byte, 4))
			return n == 4
		}
		if !send("pay", patience) {
			t.Fatal("the order is not answered")
		}
		tn.server.kill(t)
		tn.server = startServer(t, p)
		for range 6 { // other connections of the old session complete the group and its parity
			send("see", 300*time.Millisecond)
		}
		if n := orders.Load(); n != 1 {
			t.Errorf("the order was delivered %d times", n)
		}
		tn.client.kill(t)
		tn.server.kill(t)
	}
}
