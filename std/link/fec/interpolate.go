package fec

import "github.com/klauspost/reedsolomon"

// The packets of a group are, byte by byte, the values of one polynomial over the field
// of 256 elements: its degree is below the number of data packets, and packet i has its
// value at i. So any that many packets determine all others, by Lagrange's formula:
//
//	value(x) = sum of y[k] * w[k],  w[k] = prod (x - at[j]) / prod (at[k] - at[j]),  j != k
//
// These are the rows of the inverse of the matrix that the Reed-Solomon library makes. To
// invert it takes as many steps as the cube of the number of packets, 5 ms for 128 of them,
// for which a peer need send no more than 1,500 bytes. The formula takes as many as the
// square.

// primitive is the polynomial of the field, x^8 + x^4 + x^3 + x^2 + 1, as the library
// has it; 2 generates the field's 255 elements other than 0.
const primitive = 0x11d

// logs and powers are of 2 in the field. The powers stand there twice: a sum of two
// logs needs no remainder.
var logs, powers = tables()

func tables() (logs [256]byte, powers [510]byte) {
	x := 1
	for i := range 255 {
		powers[i], powers[i+255] = byte(x), byte(x)
		logs[x] = byte(i)
		if x <<= 1; x > 255 {
			x ^= primitive
		}
	}
	return logs, powers
}

// points are where values of a polynomial are known.
type points struct {
	at    []byte
	scale [MaxShards]byte // log of prod (at[k] - at[j]), j != k
}

// newPoints prepares for values at these places, no two of which are equal.
func newPoints(at []byte) *points {
	p := &points{at: at}
	for k, a := range at {
		sum := 0
		for _, b := range at {
			sum += int(logs[a^b]) // logs[0], of itself, is 0
		}
		p.scale[k] = byte(sum % 255)
	}
	return p
}

// value sets out to the value at x, which is none of the points, of the polynomial
// whose value at point k is y[k]. All have the length of out.
func (p *points) value(x byte, y [][]byte, out []byte) {
	all := 0
	for _, a := range p.at {
		all += int(logs[x^a])
	}
	clear(out)
	var field reedsolomon.LowLevel
	for k, a := range p.at {
		divisor := int(logs[x^a]) + int(p.scale[k])
		w := powers[(all%255+510-divisor)%255]
		field.GalMulSliceXor(w, y[k], out)
	}
}
