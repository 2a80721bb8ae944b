package lab

import "encoding/binary"

// A call to the target begins with one of these bytes and a length n of 8
// bytes, big endian.
const (
	opGet   = 'G' // the target sends n bytes of newData(n), then EOF
	opSlow  = 'S' // as opGet, slowChunk bytes every slowPause
	opHeld  = 'H' // as opGet, the second half once Release was called
	opFile  = 'F' // the target sends its file, then EOF; n is not used
	opPut   = 'P' // the target reads n bytes of newData(n), answers with putRight or putWrong and closes
	opSum   = 'D' // the target reads n bytes, or all where n is untilEOF, answers with their SHA-256 and closes
	opEcho  = 'E' // the target sends back what it reads until EOF; n is not used
	opReply = 'R' // the target reads until EOF, and only then sends the SHA-256 of that and n bytes of newData(n)
)

// untilEOF as the length of opSum means all up to EOF.
const untilEOF = ^uint64(0)

// Answers to opPut.
const (
	putRight = 'k'
	putWrong = 'x'
)

const headerSize = 9

func header(op byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{op}, n)
}
