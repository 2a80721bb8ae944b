package mux

import (
	"encoding/binary"
	"fmt"
)

// header starts each frame of smux: version u8, command u8, length of the data u16, stream
// id u32; little endian.
type header [headerBytes]byte

const (
	headerBytes = 8
	updateBytes = 8 // data of an update: consumed u32, window u32
)

// The commands of smux.
const (
	cmdSYN = iota // opens a stream
	cmdFIN        // ends the sender's direction of a stream
	cmdPSH        // data
	cmdNOP        // keepalive
	cmdUPD        // smux 2: how much of a stream was consumed, and its window
)

func newHeader(version, command byte, size int, stream uint32) (h header) {
	h[0], h[1] = version, command
	binary.LittleEndian.PutUint16(h[2:], uint16(size))
	binary.LittleEndian.PutUint32(h[4:], stream)
	return h
}

func (h *header) version() byte  { return h[0] }
func (h *header) command() byte  { return h[1] }
func (h *header) size() int      { return int(binary.LittleEndian.Uint16(h[2:])) }
func (h *header) stream() uint32 { return binary.LittleEndian.Uint32(h[4:]) }

// check returns an error for a header that smux of this version never sends.
func (h *header) check(version byte) error {
	switch {
	case h.version() != version:
		return fmt.Errorf("%w: version %d, want %d", ErrProtocol, h.version(), version)
	case h.command() == cmdPSH:
		return nil
	case h.command() == cmdUPD && version == 2 && h.size() == updateBytes:
		return nil
	case h.command() < cmdUPD && h.size() == 0:
		return nil
	}
	return fmt.Errorf("%w: command %d with %d bytes", ErrProtocol, h.command(), h.size())
}
