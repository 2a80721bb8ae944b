package arq

import "time"

// receiver puts segments in order, and knows what has to be acknowledged.
type receiver struct {
	next   uint32         // all segments before it have arrived
	newest uint32         // the newest segment that has arrived
	limit  int            // the most segments that may ever wait for the application
	want   int            // the most that may wait now
	fits   int            // how many fit within the memory bound of all conversations
	ring   []*buffer      // segments that arrived early, by sn modulo its length, a power of two
	early  int            // in ring
	queue  []*buffer      // in order, for the application
	bytes  int            // in queue
	acks   []ack          // still to be sent
	before [repeats][]ack // early segments in the last packets of acks, the latest first
	since  time.Duration  // when the first of acks began to wait
	tell   bool           // the window must be announced
	shut   bool           // the last window announced was zero

	came    int           // new segments in the current round
	roundAt time.Duration // when it began

	unheard bool // the peer has not shown that it hears us
	runs    bool // see TellRuns
}

func newReceiver(limit int, grow bool) receiver {
	r := receiver{limit: limit, want: limit, fits: limit, unheard: true}
	if grow {
		r.want = min(growFirst, limit)
	}
	return r
}

// echo is the content of an acknowledgement: which segment arrived, and the sender's clock
// value in it.
type echo struct{ sn, ts uint32 }

// ack is an acknowledgement to be sent.
type ack struct {
	echo
	again  bool   // its segment is a duplicate
	filled bool   // it arrived after later ones, and closed the last gap before it
	newest bool   // all that had arrived before it were older
	before uint32 // how many segments right before it arrived right before it
}

// firstWindow is how many segments are accepted in total from a peer that has not shown
// that it hears us. It may be an attacker who replays a recording under any address. An
// honest peer needs this many for one round trip.
const firstWindow = 256

// mostAcks bounds the acknowledgements that wait while nothing can be sent.
const mostAcks = 1024

// room is how many segments may be held beyond those that the application has read, in
// order or early.
func (r *receiver) room() int { return min(r.want, max(r.fits, leastWindow)) }

// window is how many more segments there is room for.
func (r *receiver) window() uint16 {
	n := r.room() - len(r.queue)
	if r.unheard {
		n = min(n, firstWindow-int(r.next))
	}
	return uint16(min(max(n, 0), 0xffff))
}

// telling is the window to announce to the peer now.
func (r *receiver) telling() uint16 {
	n := r.window()
	r.shut = n == 0
	return n
}

// hears records that the peer hears us.
func (r *receiver) hears() {
	if r.unheard {
		r.unheard = false
		r.tell = r.tell || r.next >= firstWindow/2
	}
}

// push processes a data segment. It tells whether the segment was new.
func (r *receiver) push(s *segment, now time.Duration) bool {
	ahead := int32(s.sn - r.next)
	if ahead >= 0 && len(r.queue)+int(ahead) >= r.room() || r.unheard && s.sn >= firstWindow {
		r.tell = r.tell || !r.unheard // the peer must not take us for dead
		return false                  // beyond the announced window, so it is not acknowledged either
	}
	if ahead < 0 {
		r.acknowledge(ack{echo: echo{s.sn, s.ts}, again: true}, now)
		return false
	}
	newest := after(s.sn, r.newest)
	r.acknowledge(ack{echo: echo{s.sn, s.ts}, filled: ahead == 0 && r.early > 0, newest: newest}, now)
	r.grow(int(ahead) + 1)
	at := &r.ring[s.sn&uint32(len(r.ring)-1)]
	if *at != nil {
		return false
	}
	*at = newBuffer(s.data)
	r.early++
	r.came++
	if newest {
		r.newest = s.sn
	}
	r.collect()
	return true
}

// acknowledge queues an acknowledgement. If there are too many, it replaces the one before,
// whose segment the peer sends again unless una covers it.
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

// grow makes sure that the ring has room for n segments starting at next.
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

// collect moves segments that are in order to the application's queue.
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

// read reads bytes of the stream.
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

// repeats is in how many further packets a run of early segments is acknowledged.
// worthRepeats is how long it is, less one.
const repeats, worthRepeats = 4, 3

// due removes and returns the acknowledgements that are to be sent: the last of the new
// segments, from which the sender measures a round trip, and those that arrived early; una
// covers the rest. A segment that filled a gap is acknowledged too, after the one before
// it, so that the sender learns the order of arrival. Segments that are still early are
// repeated, because earlier packets may have been lost, and losses come in bursts.
func (r *receiver) due(out []ack) []ack {
	if len(r.acks) == 0 {
		return out
	}
	out = r.repeat(out)
	last := len(r.acks) - 1
	for i, a := range r.acks {
		if !a.again {
			last = i
		}
	}
	oldest := r.before[len(r.before)-1][:0]
	copy(r.before[1:], r.before[:])
	for i, a := range r.acks {
		early := after(a.sn, r.next)
		late := a.filled || i+1 < len(r.acks) && r.acks[i+1].filled
		if i == last || late || !after(r.next, a.sn) {
			out = r.join(out, a)
		}
		if early {
			oldest = r.join(oldest, a)
		}
	}
	r.before[0] = oldest
	r.acks = r.acks[:0]
	return out
}

// repeat returns what earlier packets acknowledged and is still early: all of the packet
// before the last, and the runs of others.
func (r *receiver) repeat(out []ack) []ack {
	for i := len(r.before) - 1; i >= 0; i-- {
		for _, a := range r.before[i] {
			if after(a.sn, r.next) && (i == 1 || a.before >= worthRepeats) {
				out = r.join(out, a)
			}
		}
	}
	return out
}

// free releases all buffers.
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
