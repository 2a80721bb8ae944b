package mux

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// The window of a stream, depending on what else is held and promised.
func TestShare(t *testing.T) {
	const k, m = 1 << 10, 1 << 20
	for _, c := range []struct{ size, most, taken, want int64 }{
		{4 * m, 2 * m, 0, 2 * m},
		{4 * m, 4 * m, 0, 3 * m},
		{4 * m, 4 * m, 2 * m, 3 * m / 4},
		{4 * m, 2 * m, 3 * m, 3 * m / 16},
		{4 * m, 2 * m, 4 * m, leastWindow},
		{4 * m, 2 * m, 7 * m, m / leastShare},
		{4 * m, 2 * m, 9 * m, tinyWindow},
		{128 * k, 64 * k, 0, 64 * k},
		{128 * k, 64 * k, 128 * k, k},
		{4 * m, 100, 0, 100},
		{4 * m, 100, 9 * m, 100},
		{1 << 31, 1 << 31, 0, 3 << 29},
		{1, 1, 0, 1},
	} {
		b := budget{buffer: c.size, most: c.most}
		if got := b.share(c.taken); got != c.want {
			t.Errorf("%d of %d taken, %d at most: %d, want %d", c.taken, c.size, c.most, got, c.want)
		}
	}
}

// crowd is a client's session and the server's session at its other end, whose streams send
// what they are asked for.
type crowd struct {
	t              *testing.T
	client, server *Session
}

func newCrowd(t *testing.T, receive, stream int) *crowd {
	near, far := net.Pipe()
	cfg := testConfig(2, true)
	cfg.ReceiveBuffer, cfg.StreamBuffer = receive, stream
	c := &crowd{t: t, client: start(t, near, cfg)}
	cfg.Client = false
	c.server = start(t, far, cfg)
	go func() {
		for st, err := c.server.Accept(); err == nil; st, err = c.server.Accept() {
			go serve(st)
		}
	}()
	return c
}

// serve echoes what it receives. After 'L' it sends data without end, after 'O' frames that
// leave a third of their blocks empty.
func serve(st *Stream) {
	b := make([]byte, 4096)
	for {
		n, err := st.Read(b)
		if err != nil {
			return
		}
		for size := map[byte]int{'L': len(b), 'O': 1400}[b[0]]; err == nil && size > 0; {
			_, err = st.Write(b[:size])
		}
		if _, err := st.Write(b[:n]); err != nil {
			return
		}
	}
}

// open opens a stream and sends something on it.
func (c *crowd) open(say string) *Stream {
	st, err := c.client.Open()
	must(c.t, err)
	_, err = io.WriteString(st, say)
	must(c.t, err)
	return st
}

// echo fails the test if a stream does not carry data in both directions.
func (c *crowd) echo(st *Stream, size int) {
	c.t.Helper()
	sent := bytes.Repeat([]byte("e"), size)
	go st.Write(sent)
	synctest.Wait()
	got := make([]byte, 0, size)
	for len(got) < size && st.readableNow() {
		n, err := st.Read(got[len(got):size])
		must(c.t, err)
		got = got[:len(got)+n]
		synctest.Wait()
	}
	if !bytes.Equal(got, sent) {
		c.t.Fatalf("%d of %d bytes came back, %d bytes are unread, %d promised, paused: %t",
			len(got), size, c.client.unread.Load(), c.client.promised.Load(), c.client.paused.Load())
	}
}

// readableNow reports whether Read would return at once.
func (st *Stream) readableNow() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.unread.first != nil
}

// Downloads whose applications read a little and then stop do not stop the other streams of
// their session, old or new, however many such downloads there are. Three used to be
// enough.
func TestPausedDownloads(t *testing.T) {
	for _, buffers := range [][2]int{{4 << 20, 2 << 20}, {4 << 20, 4 << 20}, {256 << 10, 128 << 10}, {128 << 10, 64 << 10}} {
		for _, paused := range []int{1, 3, 8, 40, 200} {
			if paused > buffers[0]>>10 {
				continue // more than there is room for
			}
			for _, read := range []int{0, 1, 40000} {
				for _, together := range []bool{true, false} {
					name := fmt.Sprintf("%d, %d of %d, read %d, together %t", buffers[0], buffers[1], paused, read, together)
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { pausedDownloads(t, "L", buffers, paused, read, together) })
					})
				}
			}
		}
	}
}

// Frames that do not fill their blocks use no more of the budget than their data. 200 such
// downloads used to stop their session, where 500 others did not.
func TestPausedDownloadsOfOddFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pausedDownloads(t, "O", [2]int{4 << 20, 2 << 20}, 300, 0, true)
	})
}

func pausedDownloads(t *testing.T, say string, buffers [2]int, paused, read int, together bool) {
	c := newCrowd(t, buffers[0], buffers[1])
	old := c.open("e")
	var all []*Stream
	for range paused {
		st := c.open(say)
		all = append(all, st)
		go io.CopyN(io.Discard, st, int64(read))
		if !together {
			synctest.Wait()
			time.Sleep(3 * time.Second)
		}
	}
	synctest.Wait()
	time.Sleep(3 * time.Second)
	fresh := c.open("e")
	for _, st := range []*Stream{old, fresh} {
		_, err := io.ReadFull(st, make([]byte, 1))
		must(c.t, err)
		c.echo(st, 300000)
	}
	if n := c.client.unread.Load(); n >= 2*int64(buffers[0]) {
		t.Errorf("%d bytes are unread", n)
	}
	for _, st := range all {
		must(t, st.Close())
	}
	synctest.Wait()
	c.echo(old, 300000)
	if n := c.client.unread.Load(); n != 0 {
		t.Errorf("%d bytes are unread after all", n)
	}
}

// A single download beside many idle streams is told the whole StreamBuffer, whatever the
// idle ones did before, and so is the next download when the first has ended. The windows
// of the idle streams are reduced.
func TestIdleStreamsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 4<<20, 2<<20)
		var idle []*Stream
		for i := range 500 {
			st := c.open("e")
			_, err := io.ReadFull(st, make([]byte, 1))
			must(t, err)
			c.echo(st, 1+i%3*30000)
			idle = append(idle, st)
		}
		for range 2 {
			st := c.open("L")
			for range 200 {
				time.Sleep(100 * time.Millisecond)
				_, err := io.CopyN(io.Discard, st, 200000)
				must(t, err)
			}
			if st.in.told != 2<<20 {
				t.Errorf("told %d, beside %d unread and %d promised", st.in.told, c.client.unread.Load()-st.in.held, c.client.promised.Load()-st.in.promise)
			}
			must(t, st.Close())
			synctest.Wait()
		}
		var most int64
		for _, st := range idle {
			most = max(most, st.in.promise)
		}
		if most > firstWindow {
			t.Errorf("an idle stream may be sent %d", most)
		}
		for _, st := range idle {
			c.echo(st, 30000)
		}
	})
}

// Idle streams that suddenly receive a lot, which nobody reads, do not stop the others.
func TestIdleStreamsWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 4<<20, 2<<20)
		var idle []*Stream
		for range 200 {
			st := c.open("e")
			c.echo(st, 1)
			idle = append(idle, st)
		}
		time.Sleep(time.Minute)
		other := c.open("e")
		for _, st := range idle {
			io.WriteString(st, "L")
		}
		synctest.Wait()
		other.Read(make([]byte, 1))
		c.echo(other, 300000)
	})
}

// Concurrent downloads share the window. They approach equal windows slowly, in an order
// that differs from run to run, so the test asks for half of that only.
func TestDownloadsShare(t *testing.T) {
	for n, least := range map[int]int64{1: 2 << 20, 2: 700 << 10, 3: 450 << 10, 10: 120 << 10} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, 4<<20, 2<<20)
			var all []*Stream
			for range n {
				all = append(all, c.open("L"))
			}
			for range 1000 {
				for _, st := range all {
					_, err := io.CopyN(io.Discard, st, 20000)
					must(t, err)
				}
			}
			for _, st := range all {
				if st.in.told < least {
					t.Errorf("%d downloads: one is told %d, want %d", n, st.in.told, least)
				}
			}
		})
	}
}

// The count of promises returns to zero when all streams have ended, in whatever way.
func TestPromisesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 128<<10, 64<<10)
		var all []*Stream
		for i := range 50 {
			st := c.open("eL"[i%2 : i%2+1])
			all = append(all, st)
			if i%3 == 0 {
				time.Sleep(time.Second)
				io.CopyN(io.Discard, st, 1)
			}
		}
		for _, st := range all {
			must(t, st.Close())
		}
		synctest.Wait()
		for _, s := range []*Session{c.client, c.server} {
			if s.promised.Load() != 0 && s == c.client || s.unread.Load() != 0 {
				t.Errorf("%d promised, %d unread", s.promised.Load(), s.unread.Load())
			}
		}
	})
}
