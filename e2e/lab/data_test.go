package lab

import (
	"bytes"
	"errors"
	"testing"
)

// A wrong byte, data from the wrong place and data of another transfer are detected, also
// across the end of the period.
func TestDataFindsWhatIsWrong(t *testing.T) {
	const n = 2*dataPeriod + 1000
	right := make([]byte, n)
	for at := 0; at < n; {
		k, _ := newDataAt(n, at).Read(right[at:])
		at += k
	}
	if err := receive(bytes.NewReader(right), n, bytes.NewBuffer(nil)); err != nil {
		t.Fatal(err)
	}
	wrong := map[string]func([]byte) []byte{
		"a bit":        func(b []byte) []byte { b[dataPeriod+5] ^= 1; return b },
		"the last":     func(b []byte) []byte { b[n-1]++; return b },
		"a gap":        func(b []byte) []byte { return append(b[:5000], b[5001:]...) },
		"swapped":      func(b []byte) []byte { copy(b[1000:], b[2000:3000]); return b },
		"another size": func(b []byte) []byte { newData(n - 1).Read(b); return b },
	}
	for name, spoil := range wrong {
		if err := receive(bytes.NewReader(spoil(bytes.Clone(right))), n, bytes.NewBuffer(nil)); !errors.Is(err, ErrWrongData) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// newDataAt returns the data of a transfer of n bytes from an offset on.
func newDataAt(n uint64, offset int) *data {
	d := newData(n)
	for offset > 0 {
		k := min(offset, blockSize)
		d.next(k)
		offset -= k
	}
	return d
}
