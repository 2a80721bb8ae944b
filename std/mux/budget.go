package mux

import (
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
	"kcptun/std/quota"
)

// How much the streams of a session may hold that is unread, and what they are told.
//
// A window that was told in smux 2 is a promise: the peer may fill it, and a stream that
// nobody reads holds what it was last told. Were each told StreamBuffer, a few such
// streams would take the whole ReceiveBuffer (R), and the session would have to stop
// receiving for all. So what is promised is counted together with what is unread, and
// of the rest, free, a stream is told
//
//	3/4 x free x free / R    at most StreamBuffer
//
// Who finds all free may be told 3/4 of R. Each that stops leaves less, but never
// nothing: after k of them about R / (1 + 3k/4) is free. Streams that are read renew
// their windows and so come to equal ones, R/3 each for two, R/4.4 for three, but slowly:
// where the first of two has R/2, the second has 3R/16, and R/4 after 40 renewals.
//
// Where that is less than leastWindow, a stream is told so much nevertheless: it has to
// go on, if slowly. That is beyond R, and so is what the peer sends before it hears of
// its window. For this there is another R; only when 2 x R are held, or R in smux 1,
// which has no windows, does the session stop receiving. A peer that heeds its windows
// comes to that when about as many streams are not read as R has KiB, at most some
// hundred of them. One that does not heed them stops itself.
//
// What was promised to streams that receive nothing does not count: they are many, and
// it would leave nothing for those that are used. Once in sweepInterval, if something is
// short, they are looked for, and a promise above firstWindow is taken back to that. When
// one of them receives something its promise counts again, and is cut if it is too large
// by then.
//
// Where the connection's own window follows the rate of the link, so does R: it is twice
// that window, and no more than the setting. The bound of what all sessions hold may be
// less than R, but hardly ever makes a session stop that holds little, see package quota.
type budget struct {
	buffer, most int64        // ReceiveBuffer and StreamBuffer, in bytes
	follow       func() int64 // window of the connection, in bytes; nil: R is ReceiveBuffer
	bound        *quota.Bound // of what all sessions hold

	unread   atomic.Int64 // memory of the blocks that hold what is unread
	promised atomic.Int64 // bytes that the peer may still send, on streams that count

	mu    sync.Mutex // windows are reckoned one after the other
	swept time.Duration
}

const (
	// leastWindow is what every stream is told, however little is free, in bytes,
	// leastShare what part of the second R it may be, and tinyWindow what it is at least.
	leastWindow = 16 << 10
	leastShare  = 128
	tinyWindow  = 512

	// sweepInterval is between two searches for streams that do not count. It is long
	// beside a round trip, so that a stream which is waiting for its peer counts.
	sweepInterval = time.Second

	// followOver is how much larger R is than the window that it follows, and leastFollow
	// what it is at least, in bytes: a window that opens is told when half of it was read.
	followOver  = 2
	leastFollow = 2 << 20

	// leastHeld is what a session may hold however short the memory of all sessions is, in
	// bytes. How that changes is looked at each lookInterval by those that wait for it.
	leastHeld    = 64 << 10
	lookInterval = 250 * time.Millisecond
)

// size is R.
func (b *budget) size() int64 {
	size := b.buffer
	if b.follow != nil {
		size = min(size, max(followOver*b.follow(), leastFollow))
	}
	return min(size, b.mayHold())
}

// mayHold is how much the session may hold by the bound of all sessions.
func (b *budget) mayHold() int64 { return max(b.bound.Share(), leastHeld) }

// hold counts n bytes that are unread from now on, or no more where n is below 0.
func (b *budget) hold(n int) {
	b.unread.Add(int64(n))
	b.bound.Hold(int64(n))
}

// share is the window of a stream where others hold and were promised taken bytes.
func (b *budget) share(taken int64) int64 {
	size := b.size()
	free := max(size-taken, 0)
	least := max(min((2*size-taken)/leastShare, leastWindow), tinyWindow)
	return min(max(free*free/size*3/4, least), b.most)
}

// admit counts the promise of a stream from now on. If that is too much, the stream is
// told the window that is returned, and what is left of its promise counts.
func (b *budget) admit(w *window) (size int64, tell, sweep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size = b.share(b.unread.Load() - w.memory + b.promised.Load())
	if size >= w.held+w.promise {
		b.promised.Add(w.promise)
		return size, false, false
	}
	b.promised.Add(max(size-w.held, 0))
	return size, true, b.due()
}

// renew is the window that a stream is told, whose promise counts, after it was read.
func (b *budget) renew(w *window) (size int64, sweep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size = b.share(b.unread.Load() - w.memory + b.promised.Load() - w.promise)
	b.promised.Add(max(size-w.held, 0) - w.promise)
	return size, size < b.most && b.due()
}

// due tells whether it is time to look for streams that do not count; b.mu is held.
func (b *budget) due() bool {
	now := clock.Now()
	if now-b.swept < sweepInterval {
		return false
	}
	b.swept = now
	return true
}

// full tells whether no more may be received.
func (b *budget) full(version int) bool {
	unread, limit := b.unread.Load(), b.size()
	if version == 2 {
		limit *= 2
	}
	return unread >= limit || b.short()
}

// short tells whether it is the bound of all sessions that lets no more be received.
func (b *budget) short() bool { return b.unread.Load() >= b.mayHold() }
