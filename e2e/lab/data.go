package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
)

// dataPeriod is after how many bytes the data repeats: a prime, so that no frame,
// block or segment size divides it. Data that arrives at the wrong place is wrong
// data.
const dataPeriod = 1<<20 + 7

// blockSize is the size of the reads and writes of bulk at both ends. Large, so
// that the load costs little beside what it measures.
const blockSize = 256 << 10

// period is pseudo-random bytes, which do not compress, made once: to make or check
// them anew for each transfer would cost as much as the tunnel. The beginning stands
// once more behind the end, so that a block is in one piece wherever it begins.
var period = sync.OnceValue(func() []byte {
	p := make([]byte, dataPeriod+blockSize)
	rand.NewChaCha8([32]byte{'l', 'a', 'b'}).Read(p[:dataPeriod])
	copy(p[dataPeriod:], p)
	return p
})

// data is an endless source of bytes that both ends of a transfer can make. It begins
// at a place that depends on how many bytes the transfer moves, so that transfers of
// different sizes that get mixed up do not match.
type data struct {
	period []byte
	at     int
}

func newData(n uint64) *data {
	const spread = 0x9e3779b97f4a7c15 // sizes close together begin far apart (golden ratio)
	return &data{period(), int(n * spread % dataPeriod)}
}

// next is the next n bytes, at most blockSize. They are not to be changed.
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

// check compares the next bytes with what came at an offset of the transfer.
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
