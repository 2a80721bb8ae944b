package arq

import "time"

// state is the state of a segment between una and next.
type state uint8

const (
	inFlight  state = iota + 1
	lost            // waits for retransmission
	delivered       // the peer has it
)

// flight is a segment that was sent and not yet passed by una.
type flight struct {
	buf   *buffer
	state state
	sends int           // number of transmissions
	tx    uint64        // number of the last transmission
	at    time.Duration // when that was sent
	ts    uint32        // its clock value, unique among the transmissions of the segment
	size  int           // bytes on the wire
	phase phase         // phase of the model at that time
}

// transmission is an entry in the log of transmissions, which is in the order of sending.
type transmission struct {
	sn uint32
	at time.Duration
}

// sender numbers segments, and knows which of them are in flight.
type sender struct {
	mss   int    // the most data in a segment, in bytes
	spare int    // bytes of it that are reserved for the header of error correction
	una   uint32 // the peer has all segments before it
	next  uint32 // the next segment to be sent for the first time
	edge  uint32 // the peer has room for segments before it
	most  int    // the most segments between una and next
	fits  int    // how many fit within the memory bound of all conversations

	queue   []*buffer // not numbered or sent yet
	queued  int       // bytes in queue
	buffers int       // in queue and in flight

	clockBase uint32 // the clock value on the wire at time 0

	ring []flight // by sn modulo its length, a power of two

	log            []transmission // by number modulo its length, a power of two
	first, nextTx  uint64         // unresolved transmissions lie in between
	newest         uint64         // the highest transmission that arrived
	newestAt       time.Duration  // when it was sent
	resend         []uint32       // lost, in the order in which the losses were noticed
	outstanding    int            // bytes in flight
	deliveredBytes int64          // total on the wire
}

func newSender(mss, most int) sender {
	return sender{mss: mss, most: most, fits: most, edge: 32, nextTx: 1, first: 1}
}

// write appends all of p to the queue: full segments, and a last one that the next write
// fills up.
func (s *sender) write(p []byte) {
	s.queued += len(p)
	if n := len(s.queue); n > 0 {
		p = p[s.queue[n-1].add(p, s.mss-s.spare):]
	}
	for len(p) > 0 {
		b := newBuffer(nil)
		s.buffers++
		p = p[b.add(p, s.mss-s.spare):]
		s.queue = append(s.queue, b)
	}
}

// flight is the slot of a segment between una and next. Other segments may have no slot at
// all.
func (s *sender) flight(sn uint32) *flight { return &s.ring[sn&uint32(len(s.ring)-1)] }

// find returns the flight of a segment between una and next; nil for any other.
func (s *sender) find(sn uint32) *flight {
	if !s.inRange(sn) {
		return nil
	}
	return s.flight(sn)
}

// inRange tells whether a segment was sent and not yet passed by una.
func (s *sender) inRange(sn uint32) bool { return !after(s.una, sn) && after(s.next, sn) }

// mayNumber tells whether one more segment may be sent for the first time.
func (s *sender) mayNumber() bool {
	return len(s.queue) > 0 && after(s.edge, s.next) && int(s.next-s.una) < s.most && !s.short()
}

// short tells whether memory is too short for one more segment in flight.
func (s *sender) short() bool { return s.buffers-len(s.queue) >= max(s.fits, leastWindow) }

// shut tells whether the peer's window keeps us from sending.
func (s *sender) shut() bool { return len(s.queue) > 0 && !after(s.edge, s.next) }

// number assigns a number to the first segment of the queue.
func (s *sender) number() (sn uint32, f *flight) {
	if int(s.next-s.una) >= len(s.ring) { // also if there is no ring yet
		s.growRing()
	}
	sn = s.next
	s.next++
	f = s.flight(sn)
	*f = flight{buf: s.queue[0]}
	s.queued -= len(f.buf.data())
	s.queue[0] = nil
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = nil
	}
	return sn, f
}

func (s *sender) growRing() {
	ring := make([]flight, max(64, 2*len(s.ring)))
	for sn := s.una; sn != s.next; sn++ {
		ring[sn&uint32(len(ring)-1)] = *s.flight(sn)
	}
	s.ring = ring
}

// sent records a transmission.
func (s *sender) sent(sn uint32, f *flight, now time.Duration, size int) {
	if s.nextTx-s.first >= uint64(len(s.log)) {
		if s.trim(); s.nextTx-s.first >= uint64(len(s.log)) {
			s.growLog()
		}
	}
	s.log[s.nextTx&uint64(len(s.log)-1)] = transmission{sn, now}
	f.tx, f.at, f.size, f.state = s.nextTx, now, size, inFlight
	f.sends++
	s.nextTx++
	s.outstanding += size
}

// trim removes resolved entries from the head of the log. Loss detection does this too, but
// only up to the newest transmission known to have arrived: a peer whose acknowledgements
// confirm none would make the log grow forever.
func (s *sender) trim() {
	for ; s.first < s.nextTx; s.first++ {
		if s.pending(s.first) != nil {
			return
		}
	}
}

// pending returns the flight of which tx is the last transmission, if it is not resolved;
// otherwise nil.
func (s *sender) pending(tx uint64) *flight {
	f := s.find(s.log[tx&uint64(len(s.log)-1)].sn)
	if f == nil || f.tx != tx || f.state != inFlight {
		return nil
	}
	return f
}

func (s *sender) growLog() {
	log := make([]transmission, max(64, 2*len(s.log)))
	for tx := s.first; tx != s.nextTx; tx++ {
		log[tx&uint64(len(log)-1)] = s.log[tx&uint64(len(s.log)-1)]
	}
	s.log = log
}

// clock is the ts of a segment's next transmission, in milliseconds. It is later than that
// of the previous transmission.
func (s *sender) clock(f *flight, now time.Duration) uint32 {
	ts := s.clockBase + uint32(now/time.Millisecond)
	if f.sends > 0 && !after(ts, f.ts) {
		ts = f.ts + 1
	}
	return ts
}

// arrived records that the peer has a segment.
func (s *sender) arrived(f *flight) {
	if f.state == inFlight {
		s.outstanding -= f.size
	}
	s.deliveredBytes += int64(f.size)
	f.state = delivered
	f.buf.free()
	f.buf = nil
	s.buffers--
}

// covered records that the peer has a segment, by which transmission it does not say.
func (s *sender) covered(f *flight) {
	if f.sends == 1 {
		s.resolved(f.tx, f.at)
	}
	s.arrived(f)
}

// resolved records that a transmission has arrived.
func (s *sender) resolved(tx uint64, at time.Duration) {
	if tx > s.newest {
		s.newest, s.newestAt = tx, at
	}
}

// acknowledge processes an acknowledgement. at is when the acknowledged segment was sent;
// known is false if that cannot be determined. late is by how much later transmissions have
// overtaken it.
func (s *sender) acknowledge(e echo) (at time.Duration, known bool, late time.Duration) {
	f := s.find(e.sn)
	if f == nil || f.state == delivered {
		return 0, false, 0
	}
	switch {
	case f.ts == e.ts:
		if f.tx < s.newest {
			late = s.newestAt - f.at
		}
		s.resolved(f.tx, f.at)
		at, known = f.at, true
	case isCopy(f, e.ts):
		at = f.at + time.Duration(e.ts-f.ts)*time.Millisecond
		if f.tx < s.newest {
			late = s.newestAt - at
		}
		s.resolved(f.tx, f.at)
		known = true
	case f.sends > 1 && after(f.ts, e.ts): // the previous transmission arrived after all
		sent := f.at - time.Duration(f.ts-e.ts)*time.Millisecond
		late = s.newestAt - sent
	}
	s.arrived(f)
	return at, known, late
}

// advance records that the peer has all segments before una.
func (s *sender) advance(una uint32) {
	if after(una, s.next) {
		return // what was not sent cannot have arrived
	}
	for ; after(una, s.una); s.una++ {
		f := s.flight(s.una)
		if f.state != delivered {
			s.covered(f)
		}
	}
	if s.una == s.next && len(s.ring) > keepRing {
		s.ring, s.log, s.first = nil, nil, s.nextTx
	}
}

// keepRing is the longest ring that an idle conversation keeps.
const keepRing = 256

// open records how far the peer's window reaches. The peer never takes back what it has
// announced, so a packet that announces less is merely old.
func (s *sender) open(una uint32, window uint16) {
	if after(una, s.next) || after(s.una, una) {
		return
	}
	if edge := una + uint32(window); after(edge, s.edge) {
		s.edge = edge
	}
}

// nextLost removes and returns the next segment to retransmit.
func (s *sender) nextLost() (sn uint32, f *flight, ok bool) {
	for len(s.resend) > 0 {
		sn = s.resend[0]
		s.resend = s.resend[1:]
		if f = s.find(sn); f != nil && f.state == lost {
			return sn, f, true
		}
	}
	s.resend = nil
	return 0, nil, false
}

func (s *sender) hasLost() bool {
	for len(s.resend) > 0 {
		if f := s.find(s.resend[0]); f != nil && f.state == lost {
			return true
		}
		s.resend = s.resend[1:]
	}
	return false
}

// free releases all buffers.
func (s *sender) free() {
	for _, b := range s.queue {
		b.free()
	}
	for sn := s.una; sn != s.next; sn++ {
		if b := s.flight(sn).buf; b != nil {
			b.free()
		}
	}
	*s = sender{mss: s.mss, most: s.most, fits: s.fits, nextTx: 1, first: 1}
}
