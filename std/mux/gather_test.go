package mux

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"kcptun/std/testkit"
)

// Frames that are held back go out in one write with those that they waited for.
func TestHeldBack(t *testing.T) {
	corked := func(t *testing.T, st *Stream) {
		for _, p := range []string{"one", "three"} {
			_, err := st.WriteCorked([]byte(p))
			must(t, err)
		}
	}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, st *Stream)
		want string // frames of the only write
	}{
		{"open", func(*testing.T, *Stream) {}, ""},
		{"corked", corked, ""},
		{"write", func(t *testing.T, st *Stream) { _, err := st.Write([]byte("hello")); must(t, err) }, "SYN 3, PSH 3 5"},
		{"flush", func(t *testing.T, st *Stream) { must(t, st.Flush()) }, "SYN 3"},
		{"closewrite", func(t *testing.T, st *Stream) { must(t, st.CloseWrite()) }, "SYN 3, FIN 3"},
		{"close", func(t *testing.T, st *Stream) { must(t, st.Close()) }, "SYN 3, FIN 3, NOP 3"},
		{"corked, write", func(t *testing.T, st *Stream) { corked(t, st); _, err := st.Write([]byte("x")); must(t, err) }, "SYN 3, PSH 3 3, PSH 3 5, PSH 3 1"},
		{"corked, flush", func(t *testing.T, st *Stream) { corked(t, st); must(t, st.Flush()) }, "SYN 3, PSH 3 3, PSH 3 5"},
		{"corked, closewrite", func(t *testing.T, st *Stream) { corked(t, st); must(t, st.CloseWrite()) }, "SYN 3, PSH 3 3, PSH 3 5, FIN 3"},
		{"corked, close", func(t *testing.T, st *Stream) { corked(t, st); must(t, st.Close()) }, "SYN 3, PSH 3 3, PSH 3 5, FIN 3, NOP 3"},
		{"finished twice", func(t *testing.T, st *Stream) {
			must(t, st.CloseWrite())
			must(t, st.CloseWrite())
			st.finish() // otherwise Close sends more
			must(t, st.Close())
		}, "SYN 3, FIN 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := newSink()
				st, err := start(t, conn, testConfig(2, true)).Open()
				must(t, err)
				c.do(t, st)
				synctest.Wait()
				writes := conn.written()
				if c.want == "" && len(writes) == 0 {
					return
				}
				if len(writes) != 1 || framesOf(t, writes[0]) != c.want {
					t.Errorf("%d writes: %s; want one: %s", len(writes), framesOf(t, bytes.Join(writes, nil)), c.want)
				}
			})
		})
	}
}

// If the connection is free, the writer itself writes to it: the data has been written when
// Write returns.
func TestFreeConnection(t *testing.T) {
	conn := newSink()
	st, err := start(t, conn, testConfig(1, true)).Open()
	must(t, err)
	must(t, st.Flush())
	for range 3 {
		_, err := st.Write([]byte("now"))
		must(t, err)
		if got := framesOf(t, bytes.Join(conn.written(), nil)); got != "SYN 3, PSH 3 3" && got != "PSH 3 3" {
			t.Errorf("written: %q", got)
		}
	}
}

// load has streams write without pause to a session over conn, opens conn's gate n times,
// and returns the writes.
func load(t *testing.T, conn *sink, cfg Config, writers, n int) [][]byte {
	conn.gate = make(chan struct{})
	s := start(t, conn, cfg)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			st, err := s.Open()
			for err == nil {
				_, err = st.Write(make([]byte, 20000))
			}
		})
	}
	for range n {
		synctest.Wait() // everyone has done what is possible
		conn.gate <- struct{}{}
	}
	synctest.Wait()
	s.Close(errEnough)
	all.Wait()
	return conn.written()
}

// The first bytes of a session go out in small writes.
func TestGentleBeginning(t *testing.T) {
	for _, writers := range []int{1, 2, 9} {
		synctest.Test(t, func(t *testing.T) {
			const most = 2*gentleFrame + maxFrames*headerBytes
			begun, largest := 0, 0
			for _, w := range load(t, newSink(), testConfig(1, true), writers, 60) {
				// A frame accepted in this phase may be written after it.
				if begun < gentleBytes-most && len(w) > most {
					t.Errorf("%d writers: a write of %d bytes after %d", writers, len(w), begun)
				}
				begun += len(w)
				largest = max(largest, len(w))
			}
			if writers > 1 && largest < gatherBytes/2 {
				t.Errorf("%d writers: writes of at most %d bytes under load", writers, largest)
			}
		})
	}
}

// Under load, all writes after the first small ones are multiples of a segment, also when its
// size changes because the path carries less. Of each write, kcp-go used to send the rest in a
// datagram of its own.
func TestSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, writes := testConfig(1, true), 0
		cfg.Segment = func() int {
			if writes++; writes > 20 {
				return 1148
			}
			return 1400
		}
		begun, odd, large, small := 0, 0, 0, 0
		for _, w := range load(t, newSink(), cfg, 9, 100) {
			begun += len(w)
			switch {
			case begun < 3*gatherBytes:
			case len(w)%1400 == 0:
				large++
			case len(w)%1148 == 0:
				small++
			default:
				odd++
			}
		}
		if odd > 0 || large < 5 || small < 5 {
			t.Errorf("%d and %d writes are multiples of a segment, %d are not", large, small, odd)
		}
	})
}

// A peer that makes us answer but reads nothing does not make the pending data grow without
// limit: its session ends.
func TestPeerTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := withPeer(t, testConfig(2, false))
		go func() {
			for {
				st, err := s.Accept()
				if err != nil {
					s.Close(err)
					return
				}
				st.Close()
			}
		}()
		for i := range uint32(300_000) {
			if _, err := peer.Write(frame{cmdSYN, 3 + 2*i, nil}.bytes(2)); err != nil {
				break
			}
		}
		synctest.Wait()
		if _, err := s.Accept(); !errors.Is(err, ErrStuck) {
			t.Errorf("%d bytes wait for a peer that reads nothing: %v", len(s.out.pending), err)
		}
	})
}

// A stream is opened at once even if the connection blocks and writers wait in the queue.
// Open used to wait with them, where nothing but the end of the session could wake it.
func TestOpenDoesNotWait(t *testing.T) {
	const streams = 3000
	for version := 1; version <= 2; version++ {
		testkit.NoLeak(t)
		k := newSink()
		k.gate = make(chan struct{})
		s := start(t, k, testConfig(version, true))
		failed := make(chan error, 3)
		for range cap(failed) {
			st, err := s.Open()
			must(t, err)
			go func() {
				_, err := st.Write(make([]byte, 200<<10))
				failed <- err
			}()
		}
		testkit.Eventually(t, "writers wait", func() bool { return s.out.readAhead() == 0 })
		testkit.Returns(t, "streams are opened", func() {
			for range streams {
				if _, err := s.Open(); err != nil {
					t.Error(err)
				}
			}
		})
		close(k.gate)
		for range cap(failed) {
			must(t, testkit.Within(t, "the writers' end", failed))
		}
		must(t, s.Drain(context.Background()))
		frames := framesOf(t, bytes.Join(k.written(), nil))
		if n := strings.Count(frames, "SYN"); n != streams+cap(failed) {
			t.Errorf("smux %d: %d streams were opened", version, n)
		}
		s.Close(errEnough)
		if _, err := s.Open(); err == nil {
			t.Error("a closed session opens streams")
		}
	}
}
