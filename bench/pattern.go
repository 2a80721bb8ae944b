package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// patternPeriod is a prime, so that no frame, block or segment size divides it:
// data that arrives at the wrong place is wrong data.
const patternPeriod = 1<<20 + 7

// blockSize is the size of the load's reads and writes. Large, so that the load
// costs little beside what it measures.
const blockSize = 256 << 10

// pattern is what every bulk transfer moves: pseudo-random bytes, which do not
// compress, made once. Checking them is one comparison in memory, a tenth of
// what a hash costs.
type pattern []byte

func newPattern() pattern {
	p := make(pattern, patternPeriod+blockSize)
	rand.NewChaCha8([32]byte{'b', 'e', 'n', 'c', 'h'}).Read(p[:patternPeriod])
	copy(p[patternPeriod:], p)
	return p
}

// at returns n bytes from an offset of the transfer on; n is at most blockSize.
func (p pattern) at(offset int64, n int) []byte {
	start := int(offset % patternPeriod)
	return p[start : start+n]
}

// check compares what arrived at an offset.
func (p pattern) check(offset int64, got []byte) error {
	if !bytes.Equal(got, p.at(offset, len(got))) {
		return fmt.Errorf("wrong data between offsets %d and %d", offset, offset+int64(len(got)))
	}
	return nil
}
