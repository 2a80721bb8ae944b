//go:build !amd64

package aescfb

const hardware = false

type lane struct {
	at     *byte
	step   uintptr
	stream [block]byte
}

func encryptLanes(*schedule, *[Lanes]lane, int)         {}
func encryptChain(*schedule, *byte, int, *[block]byte)  {}
func decryptBlocks(*schedule, *byte, int, *[block]byte) {}
