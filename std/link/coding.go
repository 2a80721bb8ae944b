package link

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	"kcptun/std/clock"
	"kcptun/std/link/fec"
	"kcptun/std/metrics"
)

// outgoing makes the parity for what is sent to a peer. Its lock guards the encoder, and
// keeps a packet and the parity behind it together: the writer holds it for both.
type outgoing struct {
	mu  sync.Mutex
	enc *fec.Encoder // nil before the first packet
}

// incoming restores what was lost on the way from a peer. Its lock guards the decoder. The
// reader counts what was rebuilt.
type incoming struct {
	mu  sync.Mutex
	dec *fec.Decoder // nil before the first packet with a FEC header

	alike   atomic.Bool   // the peer's groups have the shape of ours
	rebuilt atomic.Uint64 // packets
}

// Rebuilt is the number of packets of the peer that error correction has restored.
func (p *Peer) Rebuilt() uint64 { return p.incoming.rebuilt.Load() }

// IsAlike tells whether the peer is known to send groups of the shape in the link's options.
// A stock end whose own groups have another shape, or that sends none, restores nonsense from
// what it gets until it has learnt the shape, and may take that for data.
func (p *Peer) IsAlike() bool { return p.incoming.alike.Load() }

// coded tells whether all packets get a FEC header.
func (o *Options) coded() bool { return o.DataShards > 0 && o.ParityShards > 0 && !o.Bare }

// WriteCoded sends a packet to a peer as WriteTo does, in a group with the given numbers of
// data and parity packets. A group that has begun is finished first. It is for a link whose
// options leave it to the engine which packets are in groups, or turn parity off.
func (c *Conn) WriteCoded(p []byte, peer *Peer, data, parity int) (n int, after Extra, err error) {
	var h Packet
	probe, ok := c.prepare(p, peer, &h)
	if probe != nil {
		p, ok = probe, false
	}
	if !ok || h.Kind != Segments || h.Framed || len(p) > fec.MaxPacket-fec.Header {
		n, err = c.post(peer, p)
		return n, after, err
	}
	return c.postCoded(peer, p, data, parity)
}

// Extra is the parity that was sent behind a packet.
type Extra struct{ Datagrams, Bytes int }

// postCoded posts a packet with its FEC header, and the parity that follows it. It returns
// the length of the packet's datagram.
func (c *Conn) postCoded(peer *Peer, packet []byte, data, parity int) (n int, after Extra, err error) {
	if !c.pace(peer, len(packet)+fec.Header+peer.seal.overhead) {
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

// post puts a packet into the outbox as soon as the peer's pacer allows. It returns the
// length of its datagram.
func (c *Conn) post(peer *Peer, packet []byte) (int, error) {
	if !c.pace(peer, len(packet)+peer.seal.overhead) {
		return 0, net.ErrClosed
	}
	return c.put(peer, packet)
}

// pace waits until the writer's datagram may leave, which is the latest that was prepared. It
// is false if the link was closed in the meantime.
func (c *Conn) pace(peer *Peer, size int) bool {
	if !peer.pacing.wait(size, c.closed) {
		return false
	}
	if peer.pacing.pacer != nil {
		peer.ledger.sndLeft.Store(peer.ledger.sndNext.Load())
	}
	return true
}

// put puts a packet into the outbox, or loses it if the peer may be sent no more now. It
// returns the length of its datagram.
func (c *Conn) put(peer *Peer, packet []byte) (int, error) {
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	n := len(packet) + peer.seal.overhead
	if peer.probation.on.Load() && !peer.probation.allows(n, clock.Now()) {
		return n, nil
	}
	return n, c.outboxOf(peer).put(peer, packet)
}

// decode gives a packet with a FEC header to the decoder. The packets that it restores are
// returned next.
func (t *intake) decode(p *Peer, h *Packet, packet []byte) {
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
	out := in.dec.Decode(packet, t.keepRestored)
	if t.opt.Bare && !in.alike.Load() && in.dec.IsSure(t.opt.DataShards, t.opt.ParityShards) {
		in.alike.Store(true)
	}
	if t.believeRestored(p) {
		in.dec.Vouch()
	}
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

// keepRestored keeps a copy of a restored packet.
func (t *intake) keepRestored(packet []byte) {
	begin := len(t.spare)
	t.spare = append(t.spare, packet...)
	t.restored = append(t.restored, t.spare[begin:len(t.spare):len(t.spare)])
}

// believeRestored records the packets that were restored from a group, if there are any and
// all are valid, and tells whether that is so. Otherwise it drops them all: parity does not
// show which way it went, nor when. Parity that we have sent ourselves restores headers that
// look valid, because those of both ends have much in common, but the stamps of the packets
// are hardly ever right in all of them.
func (t *intake) believeRestored(p *Peer) (valid bool) {
	for _, packet := range t.restored {
		var h Packet
		if !h.parseSegments(packet) || !p.owns(&h) || !p.plausible(&h, t.now) || h.Push && !p.ledger.mayBeTheirs(h.Stamp, t.now) {
			for range t.restored {
				metrics.RestoringFailed()
			}
			t.restored, t.spare = nil, nil
			return false
		}
	}
	for _, packet := range t.restored {
		metrics.Restored()
		p.incoming.rebuilt.Add(1)
		var h Packet
		h.parseSegments(packet)
		if p.confirmation.isOpen() || !p.mayAck(&h) { // what is restored confirms nobody
			una := p.ledger.sndUna.Load()
			h.dropAcks(una)
			withholdAcks(packet, una)
		}
		if after(h.Una, p.ledger.sndUna.Load()) {
			p.ledger.open(&h, false, t.now)
		}
		p.ledger.receive(&h, t.now)
		if h.Acked {
			shiftStamps(packet, cmdAck, -p.shift.Load())
		}
		p.ledger.markStale(packet, p.ledger.sndUna.Load(), true)
	}
	return len(t.restored) > 0
}

// nextRestored returns the next restored packet. The engine will count it as received, which
// it was not.
func (t *intake) nextRestored() []byte {
	packet := t.restored[0]
	metrics.Received(-1, -len(packet))
	t.restored = t.restored[1:]
	if len(t.restored) == 0 {
		t.restored, t.spare = nil, nil // losses are rare: a session does not keep memory for them
	}
	return packet
}

// Rest releases the memory that error correction uses for a peer, until something is sent
// or received again.
func (p *Peer) Rest() {
	p.outgoing.rest()
	p.incoming.rest()
}

func (o *outgoing) rest() {
	if !o.mu.TryLock() {
		return // something is being sent: there is no rest
	}
	defer o.mu.Unlock()
	if o.enc != nil {
		o.enc.Rest()
	}
}

func (in *incoming) rest() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.dec != nil {
		in.dec.Rest()
	}
}
