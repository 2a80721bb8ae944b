package aescfb

import "golang.org/x/sys/cpu"

var hardware = cpu.X86.HasAES

// lane is one packet of encryptLanes. encrypt_amd64.s knows its layout.
type lane struct {
	at     *byte   // the next block
	step   uintptr // to the block after it; 0 stays
	stream [block]byte
}

// encryptLanes encrypts blocks of every lane in place and leaves the key stream
// of the block that would follow in each stream.
//
//go:noescape
func encryptLanes(keys *schedule, lanes *[Lanes]lane, blocks int)

// encryptChain encrypts blocks in place, and leaves in stream the key stream of
// the block that would follow.
//
//go:noescape
func encryptChain(keys *schedule, p *byte, blocks int, stream *[block]byte)

// decryptBlocks decrypts blocks in place, eight at a time, and leaves in stream the key stream
// of the block that would follow.
//
//go:noescape
func decryptBlocks(keys *schedule, p *byte, eights int, stream *[block]byte)
