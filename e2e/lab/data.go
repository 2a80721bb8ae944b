package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
)

// dataPeriod is the number of bytes after which the data repeats. It is a prime, so that no
// size of a frame, block or segment divides it, and data that arrives in the wrong place is
// detected.
const dataPeriod = 1<<20 + 7

// blockSize is the size of bulk reads and writes at both ends. It is large, so that the
// load costs little compared with what it measures.
const blockSize = 256 << 10

// period holds pseudo-random, incompressible bytes, generated once, because generating them
// anew for each transfer would cost as much as the tunnel. Its beginning is repeated after
// its end, so that every block is contiguous wherever it starts.
var period = sync.OnceValue(func() []byte {
	p := make([]byte, dataPeriod+blockSize)
	rand.NewChaCha8([32]byte{'l', 'a', 'b'}).Read(p[:dataPeriod])
	copy(p[dataPeriod:], p)
	return p
})

// data is an endless sequence of bytes that both ends of a transfer can generate. Its start
// depends on the length of the transfer, so that transfers of different lengths that get
// mixed up do not match.
type data struct {
	period []byte
	at     int
}

func newData(n uint64) *data {
	const spread = 0x9e3779b97f4a7c15 // similar lengths start far apart (golden ratio)
	return &data{period(), int(n * spread % dataPeriod)}
}

// next returns the next n bytes, at most blockSize. The caller must not change them.
func (d *data) next(n int) []byte {
	b := d.period[d.at : d.at+n]
	d.at = (d.at + n) % dataPeriod
	return b
}

// Read never fails.
func (d *data) Read(b []byte) (int, error) {
	n := min(len(b), blockSize)
	return copy(b, d.next(n)), nil
}

// check compares the next bytes with those received at an offset of the transfer.
func (d *data) check(got []byte, offset int64) error {
	want := d.next(len(got))
	if bytes.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%w at offset %d", ErrWrongData, offset+int64(mismatch(got, want)))
}

func mismatch(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}
