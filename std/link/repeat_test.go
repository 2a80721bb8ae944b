package link

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// What was in flight when the network failed arrives soon after it is back. kcp-go used to
// retransmit it at its next timeout, which had grown by then: of a minute, here.
func TestRepeatEndsSilence(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	var newest atomic.Pointer[[]byte]
	near.onSend = func(b []byte) {
		if h, ok := ParsePacket(b); ok && h.Push {
			b = bytes.Clone(b)
			newest.Store(&b)
		}
	}
	client, server := fakeConns(t, near, far, opt)
	p := client.Peer()
	var began atomic.Bool
	far.onSend = func([]byte) { // makes the first round trip 20 s long
		if !began.Load() {
			p.shift.Store(20_000)
		}
	}
	c, s := sessions(t, client, server)
	testkit.Eventually(t, "the timeout is long", func() bool { return c.GetRTO() > 50_000 })
	began.Store(true)
	p.shift.Store(0)
	p.RepeatInSilence()

	near.cut.Store(true)
	data := testkit.RandomBytes(1, 5_000)
	for part := range 5 {
		if _, err := c.Write(data[part*1000:][:1000]); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "all is sent", func() bool {
		last, _ := ParsePacket(*newest.Load())
		return p.InFlight() == 5 && last.Next == p.ledger.sndNext.Load()
	})
	p.ledger.heard.Add(-int64(2 * silentLeast))
	if _, err := client.WriteTo(*newest.Load(), p); err != nil { // as kcp-go does at its timeout
		t.Fatal(err)
	}
	near.cut.Store(false)
	got, done := make([]byte, len(data)), make(chan error, 1)
	go func() {
		_, err := io.ReadFull(s, got)
		done <- err
	}()
	if err := testkit.Within(t, "what was lost", done); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%v, or not what was sent", err)
	}
	testkit.Eventually(t, "nothing more is repeated", func() bool { return !p.repeat.held.Load() })
}

// Only the newest segment is repeated, with the present time, and until it is acknowledged.
func TestRepeatSegment(t *testing.T) {
	const conv = 7
	for name, c := range map[string]struct {
		wanted bool
		silent time.Duration
		again  []byte // what is sent a second time
		want   bool
	}{
		"in silence":               {true, 2 * silentLeast, join(seg(conv, 82, 3, 4, ""), seg(conv, 81, 0, 4, "old"), seg(conv, 81, 1, 4, "new")), true},
		"not unless wanted":        {false, 2 * silentLeast, seg(conv, 81, 1, 4, "new"), false},
		"not while it answers":     {true, -time.Hour, seg(conv, 81, 1, 4, "new"), false},
		"not an older one":         {true, 2 * silentLeast, seg(conv, 81, 0, 4, "old"), false},
		"not if data comes before": {true, 2 * silentLeast, join(seg(conv, 81, 1, 4, "new"), seg(conv, 84, 0, 4, "")), false},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			opt, _ := options(crypt.Plain{})
			near, far := fakePair()
			client := newConn(near, opt, far.addr)
			defer client.Close()
			p := client.Peer()
			p.shift.Store(0)
			write := func(b []byte) {
				t.Helper()
				if _, err := client.WriteTo(b, p); err != nil {
					t.Fatal(err)
				}
				testkit.Within(t, "it is sent", far.inbox)
			}
			write(seg(conv, 81, 0, 0, "old"))
			write(seg(conv, 81, 1, 0, "new"))
			near.deliver(seg(conv, 84, 0, 0, ""), fakeServerAddr)
			go func() {
				for b := make([]byte, MaxDatagram); ; {
					if _, _, err := client.ReadFrom(b); err != nil {
						return
					}
				}
			}()
			testkit.Within(t, "an answer", p.Answered())
			p.ledger.heard.Add(-int64(c.silent))
			if c.wanted {
				p.RepeatInSilence()
			}
			write(c.again)
			if held := p.repeat.held.Load(); held != c.want {
				t.Fatalf("a segment is kept: %v", held)
			}
			if !c.want {
				return
			}
			for range 2 {
				got := testkit.Within(t, "a repetition", far.inbox).Data
				stamp := binary.LittleEndian.Uint32(got[offsetTS:])
				want := seg(conv, 81, 1, 4, "new")
				binary.LittleEndian.PutUint32(want[offsetTS:], stamp)
				if !bytes.Equal(got, want) || !p.ledger.isOurs(stamp) || stamp == 77 {
					t.Errorf("sent again is %x, not %x", got, want)
				}
			}
			ack := seg(conv, 82, 1, 0, "")
			binary.LittleEndian.PutUint32(ack[offsetTS:], p.ledger.sndStamp.Load())
			near.deliver(ack, fakeServerAddr)
			testkit.Eventually(t, "it is acknowledged", func() bool { return !p.repeat.held.Load() })
		})
	}
}

// A client that has vanished used to be sent a segment four times a second until its session
// ended, at the keepalive's limit. An outage of a few seconds still ends within a second, and
// one that the peer shows to be over ends at once, however long it was.
func TestRepeatBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		client := newConn(near, opt, far.addr)
		defer client.Close()
		p := client.Peer()
		p.shift.Store(0)
		p.RepeatInSilence()
		_, _ = client.WriteTo(seg(7, 81, 0, 0, "data"), p)
		if !admit(client, seg(7, 84, 0, 0, ""), fakeServerAddr)() {
			t.Fatal("the answer is dropped")
		}
		time.Sleep(silentLeast)
		_, _ = client.WriteTo(seg(7, 81, 0, 0, "data"), p)
		synctest.Wait()
		sends := func(d time.Duration) int64 {
			before := near.sends.Load()
			time.Sleep(d)
			synctest.Wait()
			return near.sends.Load() - before
		}
		if n := sends(2 * time.Second); n < 4 {
			t.Errorf("repeated %d times in the first 2 s", n)
		}
		if n := sends(28 * time.Second); n > 30 {
			t.Errorf("repeated %d times in 28 s more", n)
		}
		sends(time.Minute)
		if n := sends(time.Minute); n < 10 || n > 20 {
			t.Errorf("repeated %d times in a minute of a long silence", n)
		}
		if !admit(client, stamped(seg(7, 81, 0, 0, "x"), stampGap), fakeServerAddr)() {
			t.Error("data is dropped")
		}
		if n := sends(time.Millisecond); n != 1 {
			t.Errorf("repeated %d times when the peer is heard", n)
		}
	})
}

// A session that ends takes its repetition along.
func TestRepeatEndsWithItsSession(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	client := newConn(near, opt, far.addr)
	defer client.Close()
	p := client.Peer()
	p.RepeatInSilence()
	for range 2 {
		if _, err := client.WriteTo(seg(7, 81, 0, 0, "x"), p); err != nil {
			t.Fatal(err)
		}
	}
	if !p.repeat.held.Load() {
		t.Fatal("nothing is kept")
	}
	client.Forget(p)
	if _, err := client.WriteTo(seg(7, 81, 0, 0, "x"), p); err != nil {
		t.Fatal(err)
	}
	if p.repeat.held.Load() {
		t.Error("it goes on")
	}
}
