package mux

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
	"kcptun/std/quota"
)

// How much unread data the streams of a session may hold, and which windows the peer is
// told.
//
// A window told to the peer in smux 2 is a promise: the peer may fill it, and a stream that
// nobody reads ends up holding that much. If each stream were told StreamBuffer, a few
// unread streams would take the whole ReceiveBuffer (R), and the session would have to stop
// receiving for all. So promises count like unread data, and of the rest, called free, a
// stream is told
//
//	3/4 x free x free / R    at most StreamBuffer
//
// A stream that has all of R free is told 3/4 of R. Each stream that is not read leaves
// less, but never nothing: after k of them about R / (1 + 3k/4) is free. Streams that are
// read get new windows again and again, and so slowly approach equal ones: R/3 each for
// two, R/4.4 for three. If the first of two has R/2, the second has 3R/16, and R/4 after 40
// updates.
//
// If that is less than leastWindow, a stream is told leastWindow nevertheless, so that it
// can go on, if slowly. This goes beyond R, as does what the peer sends before our window
// reaches it. A second R covers both: the session stops receiving only when 2 x R are held,
// or R in smux 1, which has no windows. A peer that keeps to its windows reaches that limit
// only when about as many streams are unread as R has KiB. A peer that ignores them stops
// only itself.
//
// Promises to streams that receive nothing do not count. There are many of them, and they
// would leave nothing for the active ones. Whenever memory is short, but at most once in
// sweepInterval, the session looks for such streams and reduces any promise above
// firstWindow to firstWindow. When such a stream receives data, its promise counts again,
// and is reduced if it is too large by then.
//
// If the connection's own window follows the rate of the link, so does R: it is twice that
// window, but at most the setting.
//
// The limit for all sessions (L) may stop this one sooner: when it holds as much as L leaves
// free; see package quota. Windows must not lead there, however many sessions fill theirs. So
// for them R is at most half of what the others leave of 2/3 x L: all together stay below
// 2/3 x L, each at L/3 at most, and as much as that remains free. What goes beyond R, such as
// windows of leastWindow, comes from there. Promises made when more was free are reduced as
// data arrives on their streams.
type budget struct {
	buffer, most int64        // ReceiveBuffer and StreamBuffer, in bytes
	follow       func() int64 // window of the connection, in bytes; nil: R is ReceiveBuffer
	bound        *quota.Bound // the limit for all sessions together

	unread   atomic.Int64 // memory of the blocks that hold unread data
	promised atomic.Int64 // bytes that the peer may still send, on streams whose promises count

	mu    sync.Mutex // windows are computed one after the other
	swept time.Duration
}

const (
	// Every stream is told at least leastWindow bytes, however little is free. leastWindow
	// is cut to 1/leastShare of what is left of 2 x R, but never below tinyWindow.
	leastWindow = 16 << 10
	leastShare  = 128
	tinyWindow  = 512

	// sweepInterval is the time between two searches for idle streams. It is long compared
	// with a round trip, so that a stream waiting for its peer still counts.
	sweepInterval = time.Second

	// R is followOver times the window that it follows, and at least leastFollow bytes: the
	// peer is told a larger window only once half of the old one was read.
	followOver  = 2
	leastFollow = 2 << 20

	// A session may hold leastHeld bytes however little memory all sessions have left.
	// Sessions that wait for memory check every lookInterval.
	leastHeld    = 64 << 10
	lookInterval = 250 * time.Millisecond
)

// size is R as far as the settings and the link decide.
func (b *budget) size() int64 {
	if b.follow == nil {
		return b.buffer
	}
	return min(b.buffer, max(followOver*b.follow(), leastFollow))
}

// stop is how much unread data would stop the session under the limit for all sessions, if
// the others keep what they have. Whatever is free is halved: this session takes it from
// itself, too.
func (b *budget) stop() int64 {
	return max(b.bound.Share()/2+b.unread.Load()/2, leastHeld)
}

// hold adds n bytes of unread data; a negative n subtracts.
func (b *budget) hold(n int) {
	b.unread.Add(int64(n))
	b.bound.Hold(int64(n))
}

// forWindows is R as far as windows are concerned.
func (b *budget) forWindows() int64 { return min(b.size(), b.bounded()) }

// bounded is the largest R for windows under the limit for all sessions.
func (b *budget) bounded() int64 {
	if b.bound == nil {
		return math.MaxInt64
	}
	return max((b.bound.Limit()/3*2-b.bound.Held()+b.unread.Load())/2, leastHeld/3*2)
}

// share is the window for a stream when the others hold, or were promised, taken bytes.
func (b *budget) share(taken int64) int64 {
	stop := b.stop()
	size := b.forWindows()
	free := max(size-taken, 0)
	least := max(min((min(2*size, stop)-taken)/leastShare, leastWindow), tinyWindow)
	return min(max(free*free/size*3/4, least), b.most)
}

// limit checks the promise of a stream that receives data, and counts it if the stream was
// idle. If the promise is too large, the stream must be told the window size, and only what
// is left of its promise counts.
func (b *budget) limit(w *window) (size int64, tell, sweep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counted := w.count()
	w.buffer = b.forWindows()
	size = b.share(b.unread.Load() - w.memory + b.promised.Load() - counted)
	if size >= w.held+w.promise {
		b.promised.Add(w.promise - counted)
		return size, false, false
	}
	b.promised.Add(max(size-w.held, 0) - counted)
	return size, true, b.due()
}

// renew computes the new window of a stream that was read. Its promise counts from now on,
// also if the stream was idle.
func (b *budget) renew(w *window) (size int64, sweep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counted := w.count()
	w.buffer = b.forWindows()
	size = b.share(b.unread.Load() - w.memory + b.promised.Load() - counted)
	b.promised.Add(max(size-w.held, 0) - counted)
	return size, size < b.most && b.due()
}

// due reports whether it is time to look for idle streams; b.mu is held.
func (b *budget) due() bool {
	now := clock.Now()
	if now-b.swept < sweepInterval {
		return false
	}
	b.swept = now
	return true
}

// full reports whether receiving must stop.
func (b *budget) full(version int) bool {
	unread, limit := b.unread.Load(), b.size()
	if version == 2 {
		limit *= 2
	}
	return unread >= limit || b.short()
}

// short reports whether the limit for all sessions is what stops receiving.
func (b *budget) short() bool { return b.unread.Load() >= max(b.bound.Share(), leastHeld) }
