package std

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/link"
	"kcptun/std/testkit"
)

// A burst after idleness that fills the window, and is lost whole, is sent again
// after the timeout of KCP. It used to wait for kcp-go's next tick, which is 5 s away
// while a session dozes.
func TestBurstAfterDozingIsSentAgain(t *testing.T) {
	cc, sc := testConfig(Client), testConfig(Server)
	cc.NoComp, sc.NoComp = true, true
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	sl, err := link.Listen(ctx, linkOptions(t, sc), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := kcp.ServeConn(nil, sc.DataShard, sc.ParityShard, sl)
	if err != nil {
		t.Fatal(err)
	}
	defer closeListener(sl, lis)
	way := testkit.NewCable(t, sl.LocalAddr())
	cl, err := link.Dial(ctx, linkOptions(t, cc), way.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewSessions(cc).Client(cl, rand.Uint32())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(nil)
	near, err := client.Open()
	if err != nil {
		t.Fatal(err)
	}
	k, err := lis.AcceptKCP()
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewSessions(sc).Server(ctx, k, sl, func(string, any, any) {})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(nil)
	far, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(4 * dozeCheck) // both doze; where they do not, the test shows nothing
	way.Cut.Store(true)
	time.AfterFunc(300*time.Millisecond, func() { way.Cut.Store(false) })
	const size = 256 << 10 // more than the window
	go func() { _, _ = near.Write(make([]byte, size)) }()
	begun := time.Now()
	if _, err := io.ReadFull(far, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("took %v after 0.3 s without a network", took)
	}
}
