package lab

import "encoding/binary"

// A call to the target begins with one of these bytes and a length n, 8 bytes in big
// endian.
const (
	opGet   = 'G' // the target sends n bytes of newData(n), then EOF
	opSlow  = 'S' // like opGet, but slowChunk bytes every slowPause
	opHeld  = 'H' // like opGet, but the second half only after Release
	opFile  = 'F' // the target sends its file, then EOF; n is ignored
	opPut   = 'P' // the target reads n bytes of newData(n), answers with putRight or putWrong and closes
	opSum   = 'D' // the target reads n bytes, or until EOF if n is untilEOF, answers with their SHA-256 and closes
	opEcho  = 'E' // the target sends back what it reads until EOF; n is ignored
	opReply = 'R' // the target reads until EOF, and only then sends the SHA-256 of what it read and n bytes of newData(n)
)

// untilEOF is the length of an opSum that reads until EOF.
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
