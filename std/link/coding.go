package link

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/link/fec"
)

// talk is the conversation that a peer's error correction is of. A peer that begins
// another begins with sequence number 0 there, too.
type talk struct {
	conv, before     uint32
	begun, hasBefore bool
}

// A packet is of the talk, or the first of another, or a late one of that before.
const (
	same = iota
	fresh
	late
)

func (t *talk) turn(conv uint32) int {
	switch {
	case t.begun && conv == t.conv:
		return same
	case t.hasBefore && conv == t.before:
		return late
	}
	t.begin(conv)
	return fresh
}

func (t *talk) begin(conv uint32) {
	t.before, t.hasBefore = t.conv, t.begun
	t.conv, t.begun = conv, true
}

// outgoing makes the parity of what is sent to a peer.
type outgoing struct {
	mu   sync.Mutex
	talk talk
	enc  *fec.Encoder // nil before the first packet
}

// incoming restores what was lost on the way from a peer.
type incoming struct {
	mu    sync.Mutex
	talk  talk
	lates int          // packets of the conversation before, one after the other
	dec   *fec.Decoder // nil before the first packet with a FEC header

	floored bool // dec knows where the conversation began for us
}

// manyLates is how many late packets say that it was a stray one which had ended their
// conversation.
const manyLates = 16

// turn tells whether a packet is one to restore others with.
func (in *incoming) turn(conv uint32) bool {
	switch in.talk.turn(conv) {
	case same:
		in.lates = 0
		return true
	case late:
		if in.lates++; in.lates < manyLates {
			return false
		}
		in.talk.begin(conv)
	}
	in.lates, in.floored = 0, false
	if in.dec != nil {
		in.dec.Restart()
	}
	return true
}

// coded tells whether packets get a FEC header.
func (o *Options) coded() bool { return o.DataShards > 0 && o.ParityShards > 0 }

// postCoded posts a packet with its header, and the parity that is to follow it. It
// returns the length of the packet's datagram.
func (c *Conn) postCoded(peer *Peer, conv uint32, packet []byte) (int, error) {
	o := &peer.outgoing
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.enc == nil {
		o.enc = c.opt.Codes.Encoder(c.opt.DataShards, c.opt.ParityShards)
	}
	switch o.talk.turn(conv) {
	case late:
		return c.post(peer, packet)
	case fresh:
		o.enc.Restart()
	}
	framed, parity := o.enc.Encode(packet)
	n, err := c.post(peer, framed)
	for i := 0; i < len(parity) && err == nil; i++ {
		var extra int
		if extra, err = c.post(peer, parity[i]); err == nil { // kcp-go counts its own
			atomic.AddUint64(&kcp.DefaultSnmp.OutPkts, 1)
			atomic.AddUint64(&kcp.DefaultSnmp.OutBytes, uint64(extra))
		}
	}
	return n, err
}

// post puts a packet into the outbox, when the peer's rate limit lets it. It returns
// the length of its datagram.
func (c *Conn) post(peer *Peer, packet []byte) (int, error) {
	n := len(packet) + c.opt.Sealer.Overhead()
	if !peer.pace(n) || c.isClosed() {
		return 0, net.ErrClosed
	}
	return n, c.out.put(peer, packet)
}

// decode takes note of a packet with a FEC header. What it restores is handed out
// next.
func (t *intake) decode(h Packet, packet []byte) {
	in := &t.last.incoming
	in.mu.Lock()
	defer in.mu.Unlock()
	if h.Kind == Segments {
		atomic.AddUint64(&kcp.DefaultSnmp.InBytes, fecHeader) // kcp-go counts the rest
		if !in.turn(h.Conv) {
			return
		}
	} else {
		atomic.AddUint64(&kcp.DefaultSnmp.InPkts, 1)
		atomic.AddUint64(&kcp.DefaultSnmp.InBytes, uint64(len(packet)))
		if !in.talk.begun {
			return // whose it is will be known with the first data
		}
	}
	if in.dec == nil {
		in.dec = t.opt.Codes.Decoder(t.opt.DataShards, t.opt.ParityShards)
	}
	if !in.floored {
		in.floored = true
		in.dec.From(binary.LittleEndian.Uint32(packet)) // it is data: the conversation has just begun
	}
	out := in.dec.Decode(packet, t.restored)
	if out.Began {
		newest, open := in.dec.Groups()
		atomic.StoreUint64(&kcp.DefaultSnmp.FECShardMin, uint64(newest))
		atomic.StoreUint64(&kcp.DefaultSnmp.FECShardSet, uint64(open))
	}
	if out.Fresh && h.Kind == Parity {
		addSnmp(&kcp.DefaultSnmp.FECParityShards)
	}
	if out.Full {
		addSnmp(&kcp.DefaultSnmp.FECFullShardSet)
	}
	if out.Failed {
		addSnmp(&kcp.DefaultSnmp.FECErrs)
	}
}

// restored keeps a copy of a packet to be handed out, if it is one.
func (t *intake) restored(packet []byte) {
	h, ok := parseSegments(packet)
	if !ok || h.Conv != t.last.incoming.talk.conv {
		addSnmp(&kcp.DefaultSnmp.FECErrs)
		return
	}
	addSnmp(&kcp.DefaultSnmp.FECRecovered)
	t.last.heardOf(h)
	begin := len(t.spare)
	t.spare = append(t.spare, packet...)
	t.spare = t.last.belated(t.spare, begin, h.Conv)
	t.rebuilt = append(t.rebuilt, t.spare[begin:len(t.spare):len(t.spare)])
}

// handOut takes the next restored packet into p. kcp-go counts it as received, and
// it was not.
func (t *intake) handOut(p []byte) int {
	n := copy(p, t.rebuilt[0])
	atomic.AddUint64(&kcp.DefaultSnmp.InPkts, ^uint64(0))
	atomic.AddUint64(&kcp.DefaultSnmp.InBytes, -uint64(n))
	t.rebuilt = t.rebuilt[1:]
	if len(t.rebuilt) == 0 {
		t.rebuilt, t.spare = nil, nil // losses are rare, and not what a session's memory is for
	}
	return n
}

// belated changes a restored packet, which is at begin in buf, so that KCP does not
// take for new what was true when it was sent. The window that it tells is set to the
// peer's last word. An acknowledgement in it would make a round trip too long by the
// time that restoring took, and with it KCP's timeout: KCP reads the clock of the last
// one alone, so one more follows, of what it knows already, with a time to come.
func (p *Peer) belated(buf []byte, begin int, conv uint32) []byte {
	room := p.room.Load()
	if conv != p.conv.Load() {
		room = -1
	}
	var last []byte
	for b := buf[begin:]; len(b) >= segHeader; b = b[segHeader+binary.LittleEndian.Uint32(b[offsetLen:]):] {
		if room >= 0 {
			binary.LittleEndian.PutUint16(b[offsetWnd:], uint16(room))
		}
		if b[offsetCmd] == cmdAck {
			last = b[:segHeader]
		}
	}
	if last == nil || len(buf)-begin+segHeader > MaxDatagram {
		return buf
	}
	at := len(buf)
	buf = append(buf, last...)
	seg := buf[at:]
	una := binary.LittleEndian.Uint32(seg[offsetUna:])
	binary.LittleEndian.PutUint32(seg[offsetSN:], una-1)
	binary.LittleEndian.PutUint32(seg[offsetTS:], binary.LittleEndian.Uint32(seg[offsetTS:])+1<<30)
	binary.LittleEndian.PutUint32(seg[offsetLen:], 0)
	return buf
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
