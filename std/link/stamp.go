package link

import (
	"encoding/binary"
	"math/rand/v2"
)

// KCP stamps its data with the milliseconds since its program began. At a listening link the
// stamps on the wire have another origin, which each run of a program draws at random.
// Otherwise a recorded acknowledgement would fit the same time of the next run, and would
// prove to the server a client that is not there; see Peer.confirm. To the other end a stamp
// is just a number to return.

// stampOrigin is added to all stamps of this run.
func (c *Conversations) stampOrigin() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.origin == 0 {
		c.origin = rand.Uint32()
	}
	return c.origin
}

// shiftStamps adds by to the stamps of all segments with the given command, in place.
func shiftStamps(packet []byte, command byte, by uint32) {
	for b := packet; len(b) >= segHeader; {
		if b[offsetCmd] == command {
			binary.LittleEndian.PutUint32(b[offsetTS:], binary.LittleEndian.Uint32(b[offsetTS:])+by)
		}
		size := binary.LittleEndian.Uint32(b[offsetLen:])
		if uint64(size) > uint64(len(b)-segHeader) {
			return
		}
		b = b[segHeader+size:]
	}
}
