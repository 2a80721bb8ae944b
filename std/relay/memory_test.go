package relay

import (
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/build"
	"kcptun/std/config"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// held is the size of the live heap in bytes.
func held() int64 {
	runtime.GC()
	runtime.GC() // the first collection leaves what was in the pools to the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// memoryConfigs are settings under which a session itself holds little memory.
func memoryConfigs(version int, qpp bool) (client, server *config.Config) {
	client, server = sessions.Config(config.Client), sessions.Config(config.Server)
	for _, c := range []*config.Config{client, server} {
		c.NoComp, c.SmuxVer, c.QPP = true, version, qpp
		c.SndWnd, c.RcvWnd, c.SmuxBuf, c.StreamBuf = 64, 64, 512<<10, 64<<10
	}
	return client, server
}

// padFor returns the pad that the settings ask for.
func padFor(c *config.Config) *Pad {
	if !c.QPP {
		return nil
	}
	return NewPad(c.QPPCount, c.Key)
}

// still waits until a counter no longer changes.
func still(t *testing.T, what string, counter *atomic.Int64) {
	t.Helper()
	last, looks := int64(-1), 0
	testkit.Eventually(t, what, func() bool {
		now := counter.Load()
		if looks++; now != last {
			last, looks = now, 0
		}
		time.Sleep(5 * time.Millisecond)
		return looks > 40
	})
}

// A stream whose reader at the other end had stopped kept 64 KiB at its sender, with smux 1
// each stream of its session.
func TestHeldUpStreamsHoldNoBuffers(t *testing.T) {
	const streams, bound = 150, 24 << 10 // bytes each
	for _, version := range []int{1, 2} {
		for _, qpp := range []bool{false, true} {
			if qpp && (version == 1 || !build.QPP) {
				continue
			}
			cc, sc := memoryConfigs(version, qpp)
			u, pad := sessions.NewPair(t, cc, sc), padFor(cc)
			var written atomic.Int64
			before := held()
			done := make(chan Result, streams)
			var targets []net.Conn
			for range streams {
				_, far := u.Open(t)
				b, target := testkit.TCPPair(t)
				_ = b.SetReadBuffer(16 << 10) // so that all are soon full
				_ = target.SetWriteBuffer(16 << 10)
				targets = append(targets, target)
				go func() { done <- Between(pad.Wrap(far), b, 0) }()
				go func() {
					for p := make([]byte, 1<<10); ; {
						n, err := target.Write(p)
						written.Add(int64(n))
						if err != nil {
							return
						}
					}
				}()
			}
			still(t, "all streams to be held up", &written)
			each := (held() - before - int64(cc.SmuxBuf)) / streams
			t.Logf("smux %d, QPP %t: %d bytes for a stream that is held up", version, qpp, each)
			if each > bound {
				t.Errorf("smux %d, QPP %t: %d bytes for a stream that is held up, want less than %d", version, qpp, each, bound)
			}
			u.Close()
			for _, target := range targets {
				target.Close()
				testkit.Within(t, "the relays to end", done)
			}
		}
	}
}

// With QPP, a stream on which nothing moved kept 64 KiB at each end.
func TestIdleStreamsHoldNoBuffers(t *testing.T) {
	const streams, bound = 150, 24 << 10 // bytes each, both ends together
	for _, qpp := range []bool{false, true} {
		if qpp && !build.QPP {
			continue
		}
		cc, sc := memoryConfigs(2, qpp)
		u, pad := sessions.NewPair(t, cc, sc), padFor(cc)
		before := held()
		done := make(chan Result, 2*streams)
		for range streams {
			near, far := u.Open(t)
			app, a := testkit.TCPPair(t)
			b, target := testkit.TCPPair(t)
			go func() { done <- Between(a, pad.Wrap(near), 0) }()
			go func() { done <- Between(pad.Wrap(far), b, 0) }()
			for _, way := range [][2]net.Conn{{app, target}, {target, app}} {
				send(t, testkit.Deadline(t, way[0]), []byte("hello"))
				if _, err := io.ReadFull(testkit.Deadline(t, way[1]), make([]byte, 5)); err != nil {
					t.Fatal(err)
				}
			}
		}
		each := (held() - before) / streams
		t.Logf("QPP %t: %d bytes for an idle stream", qpp, each)
		if each > bound {
			t.Errorf("QPP %t: %d bytes for an idle stream, want less than %d", qpp, each, bound)
		}
		u.Close()
		for range 2 * streams {
			testkit.Within(t, "the relays to end", done)
		}
	}
}

// fill writes until a write fails.
func fill(w io.Writer, written *atomic.Int64, failed chan<- error) {
	for p := make([]byte, 1<<10); ; {
		n, err := w.Write(p)
		if written.Add(int64(n)); err != nil {
			failed <- err
			return
		}
	}
}
