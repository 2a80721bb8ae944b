package mux

import (
	"slices"
	"testing"
)

// checkPromises fails the test if the count of promises is not that of the streams that
// count. Nothing may be received or read meanwhile.
func checkPromises(t *testing.T, s *Session) {
	t.Helper()
	var sum int64
	for _, st := range s.all() {
		st.mu.Lock()
		if !st.in.idle && s.cfg.Version == 2 {
			sum += st.in.promise
		}
		st.mu.Unlock()
	}
	if n := s.promised.Load(); n != sum {
		t.Fatalf("%d bytes are counted as promised, and %d are", n, sum)
	}
}

// sweep looks for idle streams.
func (s *Session) sweep() { s.windowComputed(true, true) }

// feed delivers n bytes.
func (st *Stream) feed(n int) {
	for ; n > 0; n -= 32 << 10 {
		st.deliver(make([]byte, min(n, 32<<10)), nil)
	}
}

// readSome reads up to n bytes of those that have arrived.
func (st *Stream) readSome(n int) {
	for b := make([]byte, n); len(b) > 0 && st.readableNow(); {
		got, err := st.Read(b)
		if err != nil {
			return
		}
		b = b[got:]
	}
}

// A stream that a sweep finds idle, although it holds unread data, counts as much as it
// promises once it has been read. What it was told then used to stay counted for good, and
// after a few such streams a lone download was told a fifth of its window.
func TestReadingAnIdleStream(t *testing.T) {
	s := start(t, newSink(), testConfig(2, true))
	for range 100 {
		st, err := s.Open()
		must(t, err)
		for range 2 {
			st.feed(200 << 10)
			s.sweep()
			s.sweep()
			st.readSome(200 << 10)
			checkPromises(t, s)
		}
		must(t, st.Close())
		if n := s.promised.Load(); n != 0 {
			t.Fatalf("%d bytes are counted as promised, without a stream", n)
		}
	}
}

// A peer that sends data on a stream before it can know of it does not confuse the counts.
func TestDataBeforeOpen(t *testing.T) {
	s := start(t, newSink(), testConfig(2, true))
	st := newStream(s, 1)
	s.streams[1] = st
	st.deliver(make([]byte, 1000), nil)
	st.open()
	checkPromises(t, s)
	if st.in.held != 1000 || st.in.promise != firstWindow-1000 {
		t.Errorf("%d held, %d promised", st.in.held, st.in.promise)
	}
}

// promiseOps do something to a stream that concerns its window.
var promiseOps = []func(st *Stream, n int){
	(*Stream).feed,
	(*Stream).readSome,
	func(st *Stream, _ int) { st.session.sweep() },
	func(st *Stream, _ int) { st.finish() },
	func(st *Stream, _ int) { _ = st.Close() },
}

// Whatever is received, read, finished and closed between sweeps, exactly the promises to
// streams that are not idle count.
func FuzzPromises(f *testing.F) {
	f.Add(slices.Repeat([]byte{0, 8, 2, 0, 2, 0, 1, 8, 2, 0, 0, 8, 4, 0}, 8))
	for i := range 20 {
		f.Add(randomBytes(100 * (i + 1))[50*i:])
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		cfg := testConfig(2, true)
		cfg.ReceiveBuffer, cfg.StreamBuffer = 256<<10, 128<<10
		s := start(t, newSink(), cfg)
		var streams [4]*Stream
		for p = p[:min(len(p), 1000)]; len(p) >= 2; p = p[2:] {
			st := &streams[p[0]>>6]
			if *st == nil || (*st).closed {
				opened, err := s.Open()
				must(t, err)
				*st = opened
			}
			promiseOps[p[0]&63%5](*st, int(p[1])<<8)
			checkPromises(t, s)
		}
		for _, st := range streams {
			if st != nil {
				must(t, st.Close())
			}
		}
		if n := s.promised.Load(); n != 0 {
			t.Errorf("%d bytes are counted as promised, without a stream", n)
		}
	})
}
