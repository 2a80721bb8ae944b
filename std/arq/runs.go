package arq

import "encoding/binary"

// While a segment is missing, each of those that arrive after it needs an acknowledgement
// of its own, of 24 bytes and twice: 3.5 % of what arrives, which is more than the way back
// of many links carries. An acknowledgement may instead tell of a run: of its own segment,
// and of as many before it as the two bytes of data behind its header say. They arrived in
// the order of their numbers and none was overtaken, so only the last clock value tells the
// sender anything. KCP ignores the data, so only a peer that understands it gets any.

// TellRuns makes acknowledgements tell of runs. It is for a peer that is known to
// understand that.
func (e *Engine) TellRuns() { e.rcv.runs = true }

// mostRun is the most segments that a run may have before its last.
const mostRun = 1024

// join appends an acknowledgement, or extends the run at the end by it.
func (r *receiver) join(acks []ack, a ack) []ack {
	if n := len(acks); n > 0 && r.runs {
		last := &acks[n-1]
		before := last.before + a.before + 1
		if last.newest && a.newest && a.sn-a.before == last.sn+1 && before <= mostRun {
			*last = a
			last.before = before
			return acks
		}
	}
	return append(acks, a)
}

// putAcks puts acknowledgements into packets.
func (e *Engine) putAcks(acks []ack, out *Batch) {
	for _, a := range acks {
		s := segment{cmd: cmdAck, sn: a.sn, ts: a.ts}
		if a.before > 0 {
			s.data = binary.LittleEndian.AppendUint16(e.run[:0], uint16(a.before))
		}
		e.put(&s, out)
	}
}

// acknowledgeRun records that the segments have arrived that an acknowledgement tells of
// besides its own.
func (e *Engine) acknowledgeRun(s *segment) {
	if len(s.data) != 2 {
		return
	}
	n := min(uint32(binary.LittleEndian.Uint16(s.data)), mostRun)
	first := s.sn - n
	if after(e.snd.una, first) {
		first = e.snd.una // what is before it costs nothing
	}
	for sn := first; after(s.sn, sn); sn++ {
		if f := e.snd.find(sn); f != nil && f.state != delivered {
			e.arrived(f, false)
			e.snd.covered(f)
		}
	}
}
