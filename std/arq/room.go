package arq

import (
	"time"
	"unsafe"

	"kcptun/std/quota"
)

// How many segments either end of a conversation may hold. Config.Receive and Config.Send
// are the upper limits. If Config.Grow is set, the window announced to the peer follows the
// rate at which data arrives. What all conversations hold together is bounded, and each may
// have its share of that bound.

const (
	// leastWindow is how many segments every conversation may hold each way, however short
	// memory is. It is the window that KCP assumes by default.
	leastWindow = 32
	// growFirst is the first window announced if windows grow, in segments: more than a
	// sender of ours has in flight in the second round trip.
	growFirst = 512
	// growOver is the ratio of the window to what arrives in a round trip. A sender that
	// searches for the rate doubles what it sends, and a lost segment holds up those behind
	// it for a round trip or more, during which as much again arrives.
	growOver = 6
)

// growRound bounds what is taken for a round trip, because the peer can prolong it.
const growLeast, growMost = 20 * time.Millisecond, time.Second

// bufferBytes is the memory for one segment of a conversation, including its bookkeeping.
const bufferBytes = int64(unsafe.Sizeof(buffer{}) + unsafe.Sizeof(flight{}))

// follow grows the window with what arrives in about a round trip. The window never
// shrinks: it is a promise, and costs nothing if the application reads.
func (r *receiver) follow(now time.Duration, trip time.Duration) {
	if now-r.roundAt < min(max(trip, growLeast), growMost) {
		return
	}
	r.want = min(max(r.want, growOver*r.came), r.limit)
	r.roundAt, r.came = now, 0
}

// held counts what a conversation holds, against a bound.
type held struct {
	bound   *quota.Bound
	counted int64 // bytes reported to the bound
}

// coarse is by how many bytes the count may be off. The total is shared by all
// conversations, so each updates it only this rarely.
const coarse = 16 << 10

// set reports what is held now, and returns how many segments may be held.
func (h *held) set(segments int) (fits int) {
	now := int64(segments) * bufferBytes
	if d := now - h.counted; d >= coarse || d <= -coarse || now == 0 {
		h.bound.Hold(d)
		h.counted = now
	}
	return int(min(h.bound.Share()/bufferBytes, 1<<20))
}

// settle counts what the engine holds.
func (e *Engine) settle() {
	fits := e.held.set(e.snd.buffers + e.rcv.early + len(e.rcv.queue))
	e.snd.fits, e.rcv.fits = fits, fits
}

// Window is how many bytes of the stream may be in flight from the peer or waiting for the
// application.
func (e *Engine) Window() int { return e.rcv.want * (e.cfg.MTU - headerBytes) }
