package link

import (
	"kcptun/std/carrier"
	"kcptun/std/crypt"
)

// sealing makes the datagrams of one peer out of its packets. All peers of a link share the
// link's, because all have one key.
type sealing struct {
	crypt.Sealer
	batches  crypt.BatchSealer // the same, if it can seal whole batches; else nil
	overhead int               // of Sealer
}

func newSealing(s crypt.Sealer) *sealing {
	batches, _ := s.(crypt.BatchSealer)
	return &sealing{s, batches, s.Overhead()}
}

// add appends a packet to a batch, sealed, or with room for what finish adds to it.
func (s *sealing) add(b *carrier.Batch, packet []byte) {
	if s.batches != nil {
		b.Buf = append(b.Buf[:len(b.Buf)+s.overhead], packet...)
	} else {
		b.Buf = s.Seal(b.Buf, packet)
	}
	b.Add(len(packet) + s.overhead)
}

// finish seals what add has left open.
func (s *sealing) finish(b *carrier.Batch) {
	if s.batches != nil {
		s.batches.SealAll(b.Buf, b.Size)
	}
}

// open turns a datagram into a packet. The conversation is not known yet, so the sealer is the
// link's.
func (t *intake) open(datagram []byte) (packet []byte, ok bool) { return t.opt.Sealer.Open(datagram) }
