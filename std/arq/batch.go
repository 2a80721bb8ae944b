package arq

import "sync"

// Batch holds packets that are to be sent once no lock is held.
type Batch struct {
	bytes []byte
	ends  []packetEnd
	begin int // where the packet begins that is not complete yet
}

// packetEnd records where a packet ends, and its code.
type packetEnd struct {
	at   int
	code Code
}

var batches = sync.Pool{New: func() any { return new(Batch) }}

// put appends a segment to the packet that is not complete yet.
func (b *Batch) put(s *segment) { b.bytes = s.appendTo(b.bytes) }

// size is how long that packet is, in bytes.
func (b *Batch) size() int { return len(b.bytes) - b.begin }

// complete ends it.
func (b *Batch) complete(code Code) {
	b.begin = len(b.bytes)
	b.ends = append(b.ends, packetEnd{b.begin, code})
}

// empty passes send each packet, which send must not keep, with the code of the group that
// the packet belongs to, if any.
func (b *Batch) empty(send func(packet []byte, code Code)) {
	begin := 0
	for _, end := range b.ends {
		send(b.bytes[begin:end.at], end.code)
		begin = end.at
	}
	b.bytes, b.ends, b.begin = b.bytes[:0], b.ends[:0], 0
}
