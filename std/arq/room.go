package arq

import (
	"time"
	"unsafe"

	"kcptun/std/quota"
)

// How many segments either end of a conversation may hold. Config.Receive and Config.Send
// are the most that there may be. Where Config.Grow says so, the window that the peer is
// told follows what comes; and what all conversations hold together has a bound, of which
// each may have its share.

const (
	// leastWindow is what every conversation may hold each way, however short memory is, in
	// segments. It is the window that KCP takes for granted.
	leastWindow = 32
	// growFirst is the first window that is told where it grows, in segments: what a sender
	// of ours has on its way in the second round trip, four times.
	growFirst = 512
	// growOver is by how much the window is larger than what comes in a round trip. A sender
	// that looks for the rate doubles what it sends, and what is lost holds up what follows
	// it for a round trip or more, in which as much comes again.
	growOver = 6
)

// growRound bounds the time that is taken for a round trip, which the peer can prolong.
const growLeast, growMost = 20 * time.Millisecond, time.Second

// bufferBytes is what the segment of a conversation takes, with what is noted of it.
const bufferBytes = int64(unsafe.Sizeof(buffer{}) + unsafe.Sizeof(flight{}))

// follow has the window grow with what comes in about a round trip. It never shrinks: it
// is a promise, and costs nothing where the application reads.
func (r *receiver) follow(now time.Duration, trip time.Duration) {
	if now-r.roundAt < min(max(trip, growLeast), growMost) {
		return
	}
	r.want = min(max(r.want, growOver*r.came), r.limit)
	r.roundAt, r.came = now, 0
}

// held counts what a conversation holds in a bound.
type held struct {
	bound   *quota.Bound
	counted int64 // bytes that it was told of
}

// coarse is by how many bytes the count may be wrong: what all conversations share is
// written by each as rarely as that.
const coarse = 16 << 10

// set is told what is held now, and returns how many segments may be.
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

// Window is how many bytes of the stream may be on their way from the peer, and wait for
// the application.
func (e *Engine) Window() int { return e.rcv.want * e.snd.mss }
