package link

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	"kcptun/std/link/fec"
	"kcptun/std/metrics"
)

// outgoing makes the parity of what is sent to a peer.
type outgoing struct {
	mu  sync.Mutex
	enc *fec.Encoder // nil before the first packet
}

// incoming restores what was lost on the way from a peer.
type incoming struct {
	mu  sync.Mutex
	dec *fec.Decoder // nil before the first packet with a FEC header

	rebuilt atomic.Uint64 // packets
}

// Rebuilt is how many packets of the peer error correction has restored.
func (p *Peer) Rebuilt() uint64 { return p.incoming.rebuilt.Load() }

// coded tells whether packets get a FEC header.
func (o *Options) coded() bool { return o.DataShards > 0 && o.ParityShards > 0 }

// WriteCoded sends a packet to a peer as WriteTo does, in a group of so many packets of
// data, which are followed by so many of parity. A group that has begun is finished first.
// It is for a link whose options have no groups.
func (c *Conn) WriteCoded(p []byte, peer *Peer, data, parity int) (n int, after Extra, err error) {
	h, ok := c.prepare(p, peer)
	if !ok || h.Kind != Segments || h.Framed || len(p) > fec.MaxPacket-fec.Header {
		n, err = c.post(peer, p)
		return n, after, err
	}
	return c.postCoded(peer, p, data, parity)
}

// Extra is what was sent besides a packet, as parity.
type Extra struct{ Datagrams, Bytes int }

// postCoded posts a packet with its header, and the parity that is to follow it. It
// returns the length of the packet's datagram.
func (c *Conn) postCoded(peer *Peer, packet []byte, data, parity int) (n int, after Extra, err error) {
	if !peer.pacing.wait(len(packet)+fec.Header+c.opt.Sealer.Overhead(), c.closed) {
		return 0, after, net.ErrClosed
	}
	o := &peer.outgoing
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.enc == nil {
		if o.enc = c.opt.Codes.Encoder(data, parity); o.enc == nil {
			n, err = c.put(peer, packet)
			return n, after, err
		}
	}
	o.enc.Change(data, parity)
	framed, extra := o.enc.Encode(packet)
	n, err = c.put(peer, framed)
	for i := 0; i < len(extra) && err == nil; i++ {
		var size int
		if size, err = c.put(peer, extra[i]); err == nil { // kcp-go counts its own
			peer.pacing.charge(size)
			metrics.Sent(1, size)
			after.Datagrams++
			after.Bytes += size
		}
	}
	return n, after, err
}

// post puts a packet into the outbox, when the peer's pacer lets it. It returns the length
// of its datagram.
func (c *Conn) post(peer *Peer, packet []byte) (int, error) {
	if !peer.pacing.wait(len(packet)+c.opt.Sealer.Overhead(), c.closed) {
		return 0, net.ErrClosed
	}
	return c.put(peer, packet)
}

// put puts a packet into the outbox. It returns the length of its datagram.
func (c *Conn) put(peer *Peer, packet []byte) (int, error) {
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	return len(packet) + c.opt.Sealer.Overhead(), c.out.put(peer, packet)
}

// decode takes note of a packet with a FEC header. What it restores is handed out
// next.
func (t *intake) decode(p *Peer, h Packet, packet []byte) {
	in := &p.incoming
	in.mu.Lock()
	defer in.mu.Unlock()
	if h.Kind == Segments {
		metrics.Received(0, fecHeader) // kcp-go counts the rest
	} else {
		metrics.Received(1, len(packet))
		if in.dec == nil {
			return // no group has begun
		}
	}
	if in.dec == nil {
		in.dec = t.opt.Codes.Decoder(t.opt.DataShards, t.opt.ParityShards)
		in.dec.From(binary.LittleEndian.Uint32(packet))
	}
	out := in.dec.Decode(packet, t.restored)
	if out.Began {
		newest, open := in.dec.Groups()
		metrics.Groups(uint64(newest), uint64(open))
	}
	if out.Fresh && h.Kind == Parity {
		metrics.Parity()
	}
	if out.Full {
		metrics.GroupComplete()
	}
	if out.Failed {
		metrics.RestoringFailed()
	}
}

// restored keeps a copy of a packet to be handed out, if it is one.
func (t *intake) restored(packet []byte) {
	h, ok := parseSegments(packet)
	if !ok || !t.last.owns(h) || !t.last.plausible(h) {
		metrics.RestoringFailed()
		return
	}
	metrics.Restored()
	t.last.incoming.rebuilt.Add(1)
	t.last.ledger.receive(h)
	begin := len(t.spare)
	t.spare = append(t.spare, packet...)
	if h.Acked && t.last.shift != 0 {
		shiftStamps(t.spare[begin:], cmdAck, -t.last.shift)
	}
	t.last.ledger.markStale(t.spare[begin:], t.last.ledger.sndUna.Load(), true)
	t.rebuilt = append(t.rebuilt, t.spare[begin:len(t.spare):len(t.spare)])
}

// handOut takes the next restored packet into p. kcp-go counts it as received, and
// it was not.
func (t *intake) handOut(p []byte) int {
	n := copy(p, t.rebuilt[0])
	metrics.Received(-1, -n)
	t.rebuilt = t.rebuilt[1:]
	if len(t.rebuilt) == 0 {
		t.rebuilt, t.spare = nil, nil // losses are rare, and not what a session's memory is for
	}
	return n
}

// Rest gives back what memory error correction has for a peer, for as long as nothing
// is sent and received.
func (p *Peer) Rest() {
	if p.outgoing.mu.TryLock() { // it is held while something is being sent: no rest then
		if p.outgoing.enc != nil {
			p.outgoing.enc.Rest()
		}
		p.outgoing.mu.Unlock()
	}
	p.incoming.mu.Lock()
	defer p.incoming.mu.Unlock()
	if p.incoming.dec != nil {
		p.incoming.dec.Rest()
	}
}
