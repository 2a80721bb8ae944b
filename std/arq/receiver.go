package arq

import "time"

// receiver puts segments in order, and knows what is to be acknowledged.
type receiver struct {
	next   uint32        // all before it have come
	newest uint32        // that has come
	limit  int           // segments that may wait for the application, at most
	want   int           // segments that may do so now
	fits   int           // as many are within the bound of all conversations' memory
	ring   []*buffer     // came early, by sn modulo its length, a power of two
	early  int           // in ring
	queue  []*buffer     // in order, for the application
	bytes  int           // in queue
	acks   []ack         // to be sent
	before [2][]echo     // early segments of the last packets of acks, the latest first
	since  time.Duration // the first of acks waits
	tell   bool          // the window is to be told
	shut   bool          // it was told last that there is none

	came    int           // new segments in the present round
	roundAt time.Duration // it began

	unheard bool // the peer has not shown that it hears us
}

func newReceiver(limit int, grow bool) receiver {
	r := receiver{limit: limit, want: limit, fits: limit, unheard: true}
	if grow {
		r.want = min(growFirst, limit)
	}
	return r
}

// echo is what an acknowledgement says: which segment came, and the sender's clock in it.
type echo struct{ sn, ts uint32 }

// ack is what is to be acknowledged.
type ack struct {
	echo
	again  bool // its segment had come before
	filled bool // it came after later ones, and none before it is missing
}

// firstWindow is how many segments are taken in all of a peer that has not shown that it
// hears us: it may be somebody who plays back what he has recorded, under any address. An
// honest one needs them for a round trip.
const firstWindow = 256

// mostAcks bounds what waits to be acknowledged while nothing can be sent.
const mostAcks = 1024

// room is how many segments may wait, and be early, behind those that the application has
// read.
func (r *receiver) room() int { return min(r.want, max(r.fits, leastWindow)) }

// window is how many segments there is room for.
func (r *receiver) window() uint16 {
	n := r.room() - len(r.queue)
	if r.unheard {
		n = min(n, firstWindow-int(r.next))
	}
	return uint16(min(max(n, 0), 0xffff))
}

// telling is the window that the peer is told now.
func (r *receiver) telling() uint16 {
	n := r.window()
	r.shut = n == 0
	return n
}

// hears takes note that the peer hears us.
func (r *receiver) hears() {
	if r.unheard {
		r.unheard = false
		r.tell = r.tell || r.next >= firstWindow/2
	}
}

// push takes a segment of data in. It tells whether it was new.
func (r *receiver) push(s *segment, now time.Duration) bool {
	ahead := int32(s.sn - r.next)
	if ahead >= 0 && len(r.queue)+int(ahead) >= r.room() || r.unheard && s.sn >= firstWindow {
		return false // no room was told for it: it is not acknowledged either
	}
	if ahead < 0 {
		r.acknowledge(ack{echo: echo{s.sn, s.ts}, again: true}, now)
		return false
	}
	r.acknowledge(ack{echo: echo{s.sn, s.ts}, filled: ahead == 0 && r.early > 0}, now)
	r.grow(int(ahead) + 1)
	at := &r.ring[s.sn&uint32(len(r.ring)-1)]
	if *at != nil {
		return false
	}
	*at = newBuffer(s.data)
	r.early++
	r.came++
	if after(s.sn, r.newest) {
		r.newest = s.sn
	}
	r.collect()
	return true
}

// acknowledge takes note of what is to be acknowledged. The last of too many takes the
// place of the one before, whose segment the peer sends again if una does not tell of it.
func (r *receiver) acknowledge(a ack, now time.Duration) {
	switch len(r.acks) {
	case 0:
		r.since = now
	case mostAcks:
		r.acks[mostAcks-1] = a
		return
	}
	r.acks = append(r.acks, a)
}

// grow sees to it that the ring has room for n segments from next on.
func (r *receiver) grow(n int) {
	if n <= len(r.ring) {
		return
	}
	size := max(64, len(r.ring))
	for size < n {
		size *= 2
	}
	ring := make([]*buffer, size)
	for i := range uint32(len(r.ring)) {
		sn := r.next + i
		ring[sn&uint32(size-1)] = r.ring[sn&uint32(len(r.ring)-1)]
	}
	r.ring = ring
}

// collect moves what is in order to the application's queue.
func (r *receiver) collect() {
	for r.early > 0 {
		at := &r.ring[r.next&uint32(len(r.ring)-1)]
		if *at == nil {
			return
		}
		if n := len((*at).data()); n > 0 {
			r.queue = append(r.queue, *at)
			r.bytes += n
		} else {
			(*at).free() // nobody would read it
		}
		*at = nil
		r.early--
		r.next++
	}
	if r.early == 0 && len(r.ring) > keepRing {
		r.ring = nil
	}
}

// read takes bytes of the stream.
func (r *receiver) read(p []byte) (n int) {
	taken := 0
	for n < len(p) && taken < len(r.queue) {
		b := r.queue[taken]
		k := copy(p[n:], b.data())
		n += k
		if b.skip(k); len(b.data()) > 0 {
			break
		}
		b.free()
		r.queue[taken] = nil
		taken++
	}
	r.queue = r.queue[taken:]
	r.bytes -= n
	if len(r.queue) == 0 {
		r.queue = nil
	}
	if r.shut && r.window() > 0 {
		r.tell = true
	}
	return n
}

// due takes the acknowledgements that are to be sent: the last of what was new, which tells a
// round trip, and those of segments that came early; una tells of the others. Of
// one that came after later ones, the order in which it did is told, too. What two packets ago
// said of segments that are still early is repeated: that packet may have been lost, and
// losses come in runs.
func (r *receiver) due(out []echo) []echo {
	if len(r.acks) == 0 {
		return out
	}
	for _, e := range r.before[1] {
		if after(e.sn, r.next) {
			out = append(out, e)
		}
	}
	begin, last := len(out), len(r.acks)-1
	for i, a := range r.acks {
		if !a.again {
			last = i
		}
	}
	for i, a := range r.acks {
		late := a.filled || i+1 < len(r.acks) && r.acks[i+1].filled
		if i == last || late || !after(r.next, a.sn) {
			out = append(out, a.echo)
		}
	}
	r.before[0], r.before[1] = r.before[1][:0], r.before[0]
	for _, e := range out[begin:] {
		if after(e.sn, r.next) {
			r.before[0] = append(r.before[0], e)
		}
	}
	r.acks = r.acks[:0]
	return out
}

// free gives all buffers back.
func (r *receiver) free() {
	for _, b := range r.ring {
		if b != nil {
			b.free()
		}
	}
	for _, b := range r.queue {
		b.free()
	}
	*r = receiver{limit: r.limit, want: r.want, next: r.next}
}
