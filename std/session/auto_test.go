package session

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/testkit"
)

func autoConfigs() (client, server *config.Config) {
	client, server = testConfig(config.Client), testConfig(config.Server)
	client.Mode, server.Mode = config.ModeAuto, config.ModeAuto
	return client, server
}

func established() uint64 { return atomic.LoadUint64(&kcp.DefaultSnmp.CurrEstab) }

// Closing a link ends everything on it, as with kcp-go: whoever accepts, and each session.
// Both used to wait forever.
func TestAutoEndsWithLink(t *testing.T) {
	testkit.NoLeak(t)
	before := established()
	cc, sc := autoConfigs()
	u := newTunnel(t, cc, sc)
	ended := make(chan error, 3)
	for _, s := range []*Session{u.client, u.server} {
		go func() {
			_, err := s.Accept()
			ended <- err
		}()
	}
	u.clientLink.Close()
	u.serverLink.Close()
	for range 2 {
		err := testkit.Within(t, "a session ends with its link", ended)
		if err == nil {
			t.Fatal("there is no error")
		}
		testkit.Contains(t, err.Error(), "the link was closed")
	}
	if n := established(); n != before {
		t.Errorf("%d conversations are open, %d were before", n, before)
	}
	u.closed()
}

// Accept ends with the link and with its listener. Conversations that nobody has accepted
// end too.
func TestAutoListenerEnds(t *testing.T) {
	for name, end := range map[string]func(l *link.Conn, lis Listener){
		"link":     func(l *link.Conn, _ Listener) { l.Close() },
		"listener": func(_ *link.Conn, lis Listener) { lis.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			before := established()
			cc, sc := autoConfigs()
			ctx := context.Background()
			l, err := link.Listen(ctx, linkOptions(t, sc), "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			lis, err := New(sc).Listen(l, l)
			if err != nil {
				t.Fatal(err)
			}
			defer lis.Close()
			d, err := link.Dial(ctx, linkOptions(t, cc), l.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(cc).Client(d, 7)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Probe(); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, "the server has the conversation", func() bool { return established() == before+2 })
			end(l, lis)
			s.Close(errTestEnds)
			ended := make(chan error, 1)
			go func() {
				for {
					c, err := lis.Accept()
					if err != nil {
						ended <- err
						return
					}
					c.Drop() // it may come before the error
				}
			}()
			if testkit.Within(t, "Accept ends", ended) == nil {
				t.Error("there is no error")
			}
			testkit.Eventually(t, "all conversations are closed", func() bool { return established() == before })
		})
	}
}

// What either end has sent is counted, and idle sessions send nothing.
func TestAutoCounters(t *testing.T) {
	testkit.NoLeak(t)
	cc, sc := autoConfigs()
	u := newTunnel(t, cc, sc)
	before := *kcp.DefaultSnmp.Copy()
	data := testkit.RandomBytes(1, 300_000)
	go func() { _, _ = u.far.Write(data); _ = u.far.CloseWrite() }()
	if got := testkit.Within(t, "all", testkit.Gather(u.near)); got != testkit.SumOf(data) {
		t.Errorf("%d bytes of %d, %v", got.N, len(data), got.Err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	if err := u.server.Drain(ctx); err != nil {
		t.Error(err)
	}
	after := *kcp.DefaultSnmp.Copy()
	for name, grown := range map[string]uint64{
		"BytesSent": after.BytesSent - before.BytesSent, "BytesReceived": after.BytesReceived - before.BytesReceived,
		"OutBytes": after.OutBytes - before.OutBytes, "InBytes": after.InBytes - before.InBytes,
	} {
		if grown < 300_000 {
			t.Errorf("%s has grown by %d", name, grown)
		}
	}
	for name, grown := range map[string]uint64{
		"OutSegs": after.OutSegs - before.OutSegs, "InSegs": after.InSegs - before.InSegs,
		"OutPkts": after.OutPkts - before.OutPkts, "InPkts": after.InPkts - before.InPkts,
	} {
		if grown < 200 {
			t.Errorf("%s has grown by %d", name, grown)
		}
	}
	u.closed()
}

// Unread data stays within --memlimit, is counted, and is released at the end.
func TestAutoMemoryIsBounded(t *testing.T) {
	testkit.NoLeak(t)
	cc, sc := autoConfigs()
	for _, c := range []*config.Config{cc, sc} {
		c.MemLimit, c.NoComp = 8, true
		c.SndWnd, c.RcvWnd, c.SmuxBuf, c.StreamBuf = config.MaxAutoWindow, config.MaxAutoWindow, config.AutoSmuxBuf, config.AutoSmuxBuf/2
	}
	for _, version := range []int{1, 2} {
		cc.SmuxVer = version
		u := newTunnel(t, cc, sc)
		written := make(chan error, 1)
		go func() {
			_, err := u.far.Write(make([]byte, 64<<20))
			written <- err
		}()
		if _, err := io.CopyN(io.Discard, u.near, 2<<20); err != nil { // so that it is told a large window
			t.Fatal(err)
		}
		held := func() int64 { return u.clients.memory.Held() }
		testkit.Eventually(t, "much is held", func() bool { return held() > 1<<20 })
		most := int64(0)
		for range 100 { // what it may come to, it comes to within this time
			most = max(most, held(), u.servers.memory.Held())
			time.Sleep(2 * time.Millisecond)
		}
		if limit := u.clients.memory.Limit(); most > limit+256<<10 || limit != 8<<20 {
			t.Errorf("smux %d: %d bytes are held of %d", version, most, limit)
		}
		u.near.Close()
		u.far.Close()
		if testkit.Within(t, "writing ends", written) == nil {
			t.Error("64 MB were written, and nobody has read them")
		}
		u.closed()
		for _, s := range []*Maker{u.clients, u.servers} {
			if n := s.memory.Held(); n != 0 {
				t.Errorf("smux %d: %d bytes are counted at the end", version, n)
			}
		}
	}
}
