package link

import "encoding/binary"

// Kind is the kind of an opened packet.
type Kind uint8

// The kinds of packets on a link.
const (
	Segments  Kind = iota + 1 // KCP segments, with or without a FEC header
	Parity                    // Reed-Solomon parity
	OutOfBand                 // kcp-go's unreliable datagrams
)

const (
	fecHeader   = 8  // sequence u32, type u16, size u16
	segHeader   = 24 // conv u32, cmd u8, frg u8, wnd u16, ts u32, sn u32, una u32, len u32
	minPacket   = 12 // an empty out-of-band packet: FEC header and conversation
	fecData     = 0xf1
	fecParity   = 0xf2
	fecOOB      = 0xf3
	cmdPush     = 81
	cmdAck      = 82
	cmdAsk      = 83
	cmdWindow   = 84 // the last
	offsetCmd   = 4
	offsetFrg   = 5
	offsetWnd   = 6
	offsetTS    = 8
	offsetSN    = 12
	offsetUna   = 16
	offsetLen   = 20
	offsetFlags = 4
)

// Packet is what the link reads from an opened KCP packet.
type Packet struct {
	Kind   Kind
	Push   bool   // the packet carries data
	Begins bool   // the first segment is the first of a conversation, and the packet acknowledges nothing
	Acked  bool   // the packet acknowledges segments singly
	Tells  bool   // the packet holds a segment that only reports a window
	Framed bool   // the segments follow a FEC header; only with Segments
	Window uint16 // segments that the sender has room for; only with Segments

	Conv  uint32 // conversation; 0 for parity, which names none
	Una   uint32 // the sender has received all below it; only with Segments
	Next  uint32 // one above the highest sequence number pushed; only with Push
	First uint32 // the lowest sequence number pushed; only with Push
	Stamp uint32 // the latest of the sender's times in segments of data; only with Push

	Ack      uint32 // the sequence number of the last segment acknowledged singly; KCP measures its round trip
	AckStamp uint32 // the time at which that segment was sent, by which KCP measures
	Number   uint32 // the sequence number of the last segment that only reports a window
}

// ParsePacket reads the headers of a packet, and tells whether it has the shape of a KCP
// packet: known types and commands, lengths that fit, one conversation.
func ParsePacket(b []byte) (p Packet, ok bool) {
	ok = p.parse(b)
	return p, ok
}

// parse is ParsePacket. It fills the Packet of the caller, because returning one copies it
// several times, which takes longer than to read the headers.
func (p *Packet) parse(b []byte) bool {
	*p = Packet{}
	if len(b) < minPacket {
		return false
	}
	switch binary.LittleEndian.Uint16(b[offsetFlags:]) {
	case fecData:
		p.Framed = p.parseSegments(b[fecHeader:])
		return p.Framed
	case fecParity:
		p.Kind = Parity
		return true
	case fecOOB:
		p.Kind, p.Conv = OutOfBand, binary.LittleEndian.Uint32(b[fecHeader:])
		return true
	}
	return p.parseSegments(b)
}

// parseSegments reads segments into an empty Packet, and leaves it empty if they are not valid.
func (p *Packet) parseSegments(b []byte) bool {
	if len(b) < segHeader {
		return false
	}
	p.Kind = Segments
	p.Conv = binary.LittleEndian.Uint32(b)
	p.Una = binary.LittleEndian.Uint32(b[offsetUna:])
	p.Begins = b[offsetCmd] == cmdPush && binary.LittleEndian.Uint32(b[offsetSN:]) == 0
	for len(b) >= segHeader { // kcp-go ignores a shorter rest, too
		cmd, size := b[offsetCmd], binary.LittleEndian.Uint32(b[offsetLen:])
		if binary.LittleEndian.Uint32(b) != p.Conv || cmd < cmdPush || cmd > cmdWindow || uint64(size) > uint64(len(b)-segHeader) {
			*p = Packet{}
			return false
		}
		if una := binary.LittleEndian.Uint32(b[offsetUna:]); after(una, p.Una) {
			p.Una = una
		}
		p.Begins = p.Begins && binary.LittleEndian.Uint32(b[offsetUna:]) == 0
		switch cmd {
		case cmdAck:
			p.Acked = true
			p.Ack, p.AckStamp = binary.LittleEndian.Uint32(b[offsetSN:]), binary.LittleEndian.Uint32(b[offsetTS:])
		case cmdWindow:
			p.Tells, p.Number = true, binary.LittleEndian.Uint32(b[offsetSN:])
		case cmdPush:
			if sn := binary.LittleEndian.Uint32(b[offsetSN:]); !p.Push || after(p.First, sn) {
				p.First = sn
			}
			if ts := binary.LittleEndian.Uint32(b[offsetTS:]); !p.Push || after(ts, p.Stamp) {
				p.Stamp = ts
			}
		}
		if next := binary.LittleEndian.Uint32(b[offsetSN:]) + 1; cmd == cmdPush && (!p.Push || after(next, p.Next)) {
			p.Push, p.Next = true, next
		}
		p.Window = binary.LittleEndian.Uint16(b[offsetWnd:]) // kcp-go believes the last, too
		b = b[segHeader+size:]
	}
	return true
}

// dropAcks forgets what the packet acknowledges beyond una, as withholdAcks does in its bytes.
func (p *Packet) dropAcks(una uint32) {
	p.Acked = false
	if after(p.Una, una) {
		p.Una = una
	}
}

// after tells whether a follows b. Sequence numbers wrap.
func after(a, b uint32) bool { return int32(a-b) > 0 }
