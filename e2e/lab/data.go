package lab

import (
	"encoding/binary"
	"math/rand/v2"
)

// newData returns an endless source of pseudo-random bytes that both ends of a
// transfer can make: the seed is the number of bytes that the transfer moves,
// so transfers of different sizes that get mixed up do not match.
func newData(n uint64) *rand.ChaCha8 {
	seed := [32]byte{0: 'l', 1: 'a', 2: 'b'}
	binary.BigEndian.PutUint64(seed[24:], n)
	return rand.NewChaCha8(seed)
}
