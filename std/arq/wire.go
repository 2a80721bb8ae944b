package arq

import "encoding/binary"

// The commands of KCP's segments.
const (
	cmdPush = 81 // data
	cmdAck  = 82 // acknowledges segment sn, sent at ts
	cmdAsk  = 83 // asks for the window
	cmdTell = 84 // announces the window, as every segment does
)

// headerBytes is the length of a segment's header.
const headerBytes = 24

// segment is one KCP segment. Several travel in a packet.
type segment struct {
	conv uint32
	cmd  byte
	frg  byte   // fragments that follow in message mode; 0 in stream mode
	wnd  uint16 // how many segments the sender has room for
	ts   uint32 // milliseconds on the sender's clock; in an ack, the ts of the acknowledged segment
	sn   uint32
	una  uint32 // the sender of this segment has received all before it
	data []byte
}

// appendTo appends the segment to a packet.
func (s *segment) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, s.conv)
	b = append(b, s.cmd, s.frg)
	b = binary.LittleEndian.AppendUint16(b, s.wnd)
	b = binary.LittleEndian.AppendUint32(b, s.ts)
	b = binary.LittleEndian.AppendUint32(b, s.sn)
	b = binary.LittleEndian.AppendUint32(b, s.una)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.data)))
	return append(b, s.data...)
}

// parse takes the first segment off a packet. ok is false if none is left or if the bytes
// are not a segment.
func parse(b []byte) (s segment, rest []byte, ok bool) {
	if len(b) < headerBytes {
		return s, nil, false
	}
	size := binary.LittleEndian.Uint32(b[20:])
	s = segment{
		conv: binary.LittleEndian.Uint32(b), cmd: b[4], frg: b[5],
		wnd: binary.LittleEndian.Uint16(b[6:]), ts: binary.LittleEndian.Uint32(b[8:]),
		sn: binary.LittleEndian.Uint32(b[12:]), una: binary.LittleEndian.Uint32(b[16:]),
	}
	if s.cmd < cmdPush || s.cmd > cmdTell || uint64(size) > uint64(min(len(b)-headerBytes, maxSegment)) {
		return s, nil, false
	}
	s.data = b[headerBytes:][:size]
	return s, b[headerBytes+size:], true
}

// after compares sequence numbers or millisecond clock values, which wrap.
func after(a, b uint32) bool { return int32(a-b) > 0 }
