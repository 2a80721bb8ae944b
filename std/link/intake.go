package link

import (
	"net"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/metrics"
)

// intake checks what has arrived. It belongs to one goroutine.
type intake struct {
	*Conn
	lane   *lane                                                          // the lane that it is part of; nil: none
	refill func() (inbox []carrier.Inbound, now time.Duration, err error) // valid until the next call

	inbox []carrier.Inbound
	now   time.Duration // when inbox arrived, by std/clock
	last  *Peer         // the peer of the previous packet
	owner *Peer         // the peer of the packet that is being processed; nil: not known yet

	unopened unopened // by source

	restored [][]byte // packets of last that were lost and restored, and are returned next
	spare    []byte   // holds them
}

// readFrom is ReadFrom.
func (t *intake) readFrom(p []byte) (int, net.Addr, error) {
	packet, from, err := t.next()
	if err != nil {
		return 0, nil, err // not from, which would be a net.Addr that is not nil
	}
	return copy(p, packet), from, nil
}

// next is ReadFrom without a copy: the packet is valid until the next call.
func (t *intake) next() (packet []byte, from *Peer, err error) {
	for {
		if t.peers.only != nil {
			if err := t.peers.only.ended(); err != nil {
				return nil, nil, err
			}
		}
		if len(t.restored) > 0 {
			return t.nextRestored(), t.last, nil
		}
		if len(t.inbox) > 0 {
			in := &t.inbox[0]
			if len(in.Data) == 0 {
				if in.Size == 0 {
					t.opt.Stats.Short.Add(1) // it came empty
				}
				t.inbox = t.inbox[1:]
				continue
			}
			if packet, from := t.admit(in.Next(), in); from != nil {
				return packet, from, nil
			}
			continue // it may have ended the conversation, or restored packets
		}
		if t.inbox, t.now, err = t.refill(); err != nil {
			return nil, nil, err
		}
	}
}

// admit checks a datagram, and returns the KCP packet in it and its peer, or nil if it
// holds none, as with parity. A datagram that fails a check allocates nothing. One over
// which we panic is dropped, and its conversation ends.
func (t *intake) admit(datagram []byte, in *carrier.Inbound) (packet []byte, from *Peer) {
	t.owner = nil
	defer t.opt.Panics.Catch(t.failed)
	var h Packet
	packet, ok := t.check(datagram, in, &h)
	if !ok || !t.recognise(&h, packet, in) {
		return nil, nil
	}
	if in.Path != nil {
		in.Numbers.Fresh = t.last.isFresh(&h, t.now)
		in.Path.Confirm(&in.Numbers)
	}
	if packet = t.process(&h, packet, in); packet == nil {
		return nil, nil
	}
	return packet, t.last
}

// check does the checks that need no conversation: length, address, seal, shape. It reads the
// headers into h.
func (t *intake) check(datagram []byte, in *carrier.Inbound, h *Packet) (packet []byte, ok bool) {
	st := t.opt.Stats
	if len(datagram) < t.opt.Sealer.Overhead()+minPacket {
		st.Short.Add(1)
		return nil, false
	}
	if len(datagram) > MaxDatagram {
		st.BadShape.Add(1) // kcp-go would get only its head
		return nil, false
	}
	if !t.peers.admits(in.From) {
		st.Foreign.Add(1)
		return nil, false
	}
	if packet, ok = t.open(datagram); !ok {
		metrics.Unsealed()
		t.notOpened(in.From)
		return nil, false
	}
	t.unopened.opened(in.From)
	if ok = h.parse(packet); !ok {
		st.BadShape.Add(1)
	}
	return packet, ok
}

// process records a packet of the conversation that was recognised, and returns the part
// of it that KCP gets; nil for parity. Packets that error correction restores with it are
// returned next.
func (t *intake) process(h *Packet, packet []byte, in *carrier.Inbound) []byte {
	p := t.last
	if h.Kind == Parity {
		if t.decode(p, h, packet); len(t.restored) > 0 {
			p.hooks.active()
		}
		return nil
	}
	known, mayAck := p.ledger.sndUna.Load(), p.mayAck(h)
	if !mayAck {
		h.dropAcks(known)
	}
	if p.probation.on.Load() {
		p.probation.received(h, len(packet))
	}
	p.sizing.received(len(packet))
	old, stale := p.received(h, t.now, in.At)
	if h.Framed {
		t.decode(p, h, packet) // which copies it, so that it may be changed here
		packet = packet[fecHeader:]
	}
	if t.isStuck(packet, p) {
		return nil
	}
	if !mayAck {
		withholdAcks(packet, known)
	}
	if h.Acked {
		shiftStamps(packet, cmdAck, -p.shift.Load())
	}
	if stale {
		p.ledger.markStale(packet, known, old)
	}
	return packet
}

// recognise finds the conversation that a packet belongs to, or begins it. Any other packet
// is dropped here, whoever sent it: kcp-go would make a session of it, or let it end one,
// and it must not change anything in a living conversation.
func (t *intake) recognise(h *Packet, packet []byte, in *carrier.Inbound) bool {
	if h.Kind == OutOfBand {
		metrics.OutOfBand()
		return false
	}
	p := t.last
	if p == nil || p.addr() != in.From || p.life.gone.Load() || !p.owns(h) {
		p = t.peers.find(in.From, h)
	}
	if p == nil && h.Kind == Segments && t.peers.only == nil {
		var v verdict
		if p, v = t.beginOrMove(h, in); v == crowded {
			t.opt.Stats.Crowded.Add(1)
			return false
		}
	}
	if p == nil && h.Kind == Segments && t.peers.only == nil {
		t.tellForgotten(h, in)
	}
	if p != nil && p.life.lane != t.lane { // a client that has just moved
		t.passOn(packet, in, p.life.lane)
		return false
	}
	if p != nil && t.isDisowned(p, h) {
		return false
	}
	if p == nil || !p.plausible(h, t.now) {
		t.opt.Stats.Strays.Add(1)
		return false
	}
	if c := t.through(in); c != t.reachedBy(p) && p.isFresh(h, t.now) {
		p.lodge(c, in.From) // it goes on, or begins, at the other port, from an address that is known
	}
	t.last, t.owner = p, p
	return true
}
