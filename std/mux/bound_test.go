package mux

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/quota"
)

// paced is a connection that carries a write in a millisecond while slow is set.
type paced struct {
	net.Conn
	slow *atomic.Bool
}

func (c paced) Write(p []byte) (int, error) {
	if c.slow.Load() {
		time.Sleep(time.Millisecond)
	}
	return c.Conn.Write(p)
}

// newBoundCrowd returns a crowd whose client shares a bound with others. Its server's
// connection is paced.
func newBoundCrowd(t *testing.T, version int, bound *quota.Bound, window func() int64, slow *atomic.Bool) *crowd {
	near, far := net.Pipe()
	cfg := testConfig(version, true)
	cfg.ReceiveBuffer, cfg.StreamBuffer, cfg.Memory, cfg.Window = 64<<20, 32<<20, bound, window
	c := &crowd{t: t, client: start(t, near, cfg)}
	cfg.Client, cfg.Memory, cfg.Window = false, nil, nil
	c.server = start(t, paced{far, slow}, cfg)
	go func() {
		for st, err := c.server.Accept(); err == nil; st, err = c.server.Accept() {
			go serve(st)
		}
	}()
	return c
}

// Sessions whose streams nobody reads together hold no more than their bound, with either
// version of smux, while the streams of another session go on. A session that has stopped
// goes on once another one gives memory back. At the end nothing is counted.
func TestSessionsShareABound(t *testing.T) {
	for _, version := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			const limit, sessions = 8 << 20, 20
			bound := quota.NewBound(limit)
			var all []*crowd
			var streams []*Stream
			for range sessions {
				c := newBoundCrowd(t, version, bound, nil, new(atomic.Bool))
				for range 3 {
					streams = append(streams, c.open("L"))
				}
				all = append(all, c)
			}
			time.Sleep(10 * time.Second)
			if held := bound.Held(); held < limit/2 || held > limit+sessions*(leastHeld+smallBlock) {
				t.Errorf("smux %d: %d bytes are held of %d", version, held, limit)
			}
			other := newBoundCrowd(t, version, bound, nil, new(atomic.Bool))
			st := other.open("e")
			other.echo(st, 1)
			other.echo(st, 300000)

			last := all[sessions-1]
			if version == 1 && !last.client.paused.Load() { // with smux 2 the windows stop it earlier
				t.Fatalf("smux %d: %d bytes make no session stop", version, last.client.unread.Load())
			}
			for _, c := range append(all[:sessions-1:sessions-1], other) {
				c.client.Close(errEnough)
			}
			for _, st := range streams[:len(streams)-3] {
				must(t, st.Close())
			}
			before := last.client.unread.Load()
			time.Sleep(lookInterval + time.Millisecond)
			synctest.Wait()
			if version == 1 && last.client.unread.Load() <= before {
				t.Errorf("smux %d: a session does not go on when others have ended", version)
			}
			for _, st := range append(streams, st) {
				st.Close()
			}
			last.client.Close(errEnough)
			if held := bound.Held(); held != 0 {
				t.Errorf("smux %d: %d bytes are counted at the end", version, held)
			}
			for _, c := range append(all, other) {
				c.server.Close(errEnough)
			}
		})
	}
}

// Downloads whose applications stop reading do not stop their sessions, whatever the limit
// for all sessions and the window of the connection, however many sessions there are, and
// whether they stop one after the other or at the same time. A single one used to be told a
// window that was larger than what the session may hold, and four together, or five one
// after the other, more than what all sessions may.
func TestPausedDownloadsUnderABound(t *testing.T) {
	for _, limit := range []int64{1 << 20, 8 << 20, 32 << 20} {
		for _, window := range []int64{1 << 20, 4 << 20, 16 << 20} {
			for _, sessions := range []int{1, 2, 5, 12} {
				if int64(sessions)*limit > 64<<20 {
					continue // the same, with more to carry
				}
				for _, at := range []string{"one by one", "at once"} {
					t.Run(fmt.Sprintf("%d, window %d, sessions %d, %s", limit, window, sessions, at), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { pausedUnderABound(t, limit, window, sessions, at == "at once") })
					})
				}
			}
		}
	}
}

func pausedUnderABound(t *testing.T, limit, window int64, sessions int, atOnce bool) {
	bound := quota.NewBound(limit)
	var all []*crowd
	var streams []*Stream
	var slow atomic.Bool // what a session sends meanwhile would not know the windows
	slow.Store(true)
	for range sessions {
		c := newBoundCrowd(t, 2, bound, func() int64 { return window }, &slow)
		all, streams = append(all, c), append(streams, c.open("L"))
	}
	const some = 64 << 10
	for read := int64(0); atOnce && read < limit/2; read += some {
		for _, st := range streams {
			_, err := io.CopyN(io.Discard, st, some)
			must(t, err)
		}
	}
	for i := 0; !atOnce && i < sessions; i++ {
		_, err := io.CopyN(io.Discard, streams[i], limit/2)
		must(t, err)
		time.Sleep(time.Minute)
	}
	time.Sleep(time.Minute)
	slow.Store(false)
	var unread int64
	for i, c := range all {
		if c.client.IsFull() {
			t.Errorf("session %d receives nothing: %d bytes of it are unread, %d of all", i, c.client.unread.Load(), bound.Held())
		}
		unread += c.client.unread.Load()
	}
	if t.Failed() || unread < limit/64 {
		t.Fatalf("%d bytes are unread", unread)
	}
	for _, c := range all {
		for range 3 { // more downloads that nobody reads
			c.open("L")
		}
		fresh := c.open("e")
		c.echo(fresh, 1)
		c.echo(fresh, 300000)
	}
	for _, c := range all {
		c.client.Close(errEnough)
		c.server.Close(errEnough)
	}
}

// A session that waits for memory goes on although another one has given it back between
// two looks, before the wait began. It used to sleep until a reader of its own made room.
func TestMemoryGivenBackBeforeTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 8 << 20
		bound := quota.NewBound(limit)
		c := newBoundCrowd(t, 2, bound, nil, new(atomic.Bool))
		s := c.client
		s.hold(leastHeld)
		bound.Hold(limit)
		done := async(func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.pause(func() bool {
				was := s.full(2)
				if was {
					bound.Hold(-limit)
				}
				return was
			})
			return s.err
		})
		time.Sleep(lookInterval)
		synctest.Wait()
		if err := ended(done); err != nil {
			t.Error(err)
		}
		s.hold(-leastHeld)
		c.client.Close(errEnough)
		c.server.Close(errEnough)
	})
}

// Data of streams that nobody has accepted is not counted once the session is closed.
func TestStreamsNobodyAcceptsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		bound := quota.NewBound(8 << 20)
		cfg := testConfig(2, true)
		client := start(t, near, cfg)
		cfg.Client, cfg.Memory = false, bound
		server := start(t, far, cfg)
		for range 10 {
			st, err := client.Open()
			must(t, err)
			_, err = st.Write(make([]byte, 10_000))
			must(t, err)
		}
		synctest.Wait()
		if bound.Held() < 100_000 {
			t.Errorf("%d bytes are held", bound.Held())
		}
		server.Close(errEnough)
		if bound.Held() != 0 {
			t.Errorf("%d bytes are counted at the end", bound.Held())
		}
	})
}

// following is a client's stream from a server that sends without end. What the stream is told
// follows the window.
func following(t *testing.T, window *atomic.Int64) *Stream {
	near, far := net.Pipe()
	cfg := testConfig(2, true)
	cfg.ReceiveBuffer, cfg.StreamBuffer, cfg.Window = 64<<20, 32<<20, window.Load
	c := &crowd{t: t, client: start(t, near, cfg)}
	cfg.Client = false
	c.server = start(t, far, cfg)
	go func() {
		for st, err := c.server.Accept(); err == nil; st, err = c.server.Accept() {
			go serve(st)
		}
	}()
	return c.open("L")
}

// toldWindow is the window in the last update, and how much has been read since.
func (st *Stream) toldWindow() (told, untold int64) {
	synctest.Wait()
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.in.told, int64(st.in.untold)
}

// The window that a stream is told follows the connection's window.
func TestBufferFollowsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var window atomic.Int64
		st := following(t, &window)
		for _, w := range []struct{ window, told int64 }{
			{0, leastFollow / 4 * 3}, {4 << 20, 6 << 20}, {1 << 30, 32 << 20},
		} {
			window.Store(w.window)
			for range 40 {
				_, err := io.CopyN(io.Discard, st, 1<<20)
				must(t, err)
			}
			if told, _ := st.toldWindow(); told > w.told || told < w.told*9/10 {
				t.Errorf("the connection has a window of %d, and the stream is told %d, want %d", w.window, told, w.told)
			}
		}
	})
}

// A sender that searches for the rate doubles it in a round trip, and was stopped by a window
// that had room for half of that: it was updated only once half of it had been read.
func TestWindowGrowsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const some = 64 << 10
		var window atomic.Int64
		window.Store(2 << 20)
		st := following(t, &window)
		read := func() {
			_, err := io.CopyN(io.Discard, st, some)
			must(t, err)
		}
		for range 100 {
			read()
		}
		for _, untold := st.toldWindow(); untold > some; _, untold = st.toldWindow() {
			read() // until an update has just been sent
		}
		window.Store(4 << 20)
		for range 4 {
			read()
		}
		if told, _ := st.toldWindow(); told < 5<<20 {
			t.Errorf("the connection's window has doubled to %d, and the stream is still told %d", window.Load(), told)
		}
	})
}
