package fec

import "github.com/klauspost/reedsolomon"

// Byte by byte, the packets of a group are the values of one polynomial over the field of
// 256 elements. Its degree is below the number of data packets, and packet i is its value
// at i. So that number of packets, whichever they are, determines all the others by
// Lagrange's formula:
//
//	value(x) = sum of y[k] * w[k],  w[k] = prod (x - at[j]) / prod (at[k] - at[j]),  j != k
//
// These are the rows of the inverse of the matrix that the Reed-Solomon library makes. The
// time to invert that matrix grows with the cube of the number of packets: 5 ms for 128 of
// them, and a peer need send only 1,500 bytes to cause it. The time for the formula grows
// with the square.

// primitive is the field's polynomial, x^8 + x^4 + x^3 + x^2 + 1, as in the library. 2
// generates the 255 elements other than 0.
const primitive = 0x11d

// logs and powers are tables for base 2 in the field. powers is stored twice in a row, so
// that a sum of two logs needs no remainder.
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

// points are the places where the values of a polynomial are known.
type points struct {
	at    []byte
	scale [MaxShards]byte // log of prod (at[k] - at[j]), j != k
}

// newPoints prepares for values at these places, which must be distinct.
func newPoints(at []byte) *points {
	p := &points{at: at}
	for k, a := range at {
		sum := 0
		for _, b := range at {
			sum += int(logs[a^b]) // logs[0], for k itself, is 0
		}
		p.scale[k] = byte(sum % 255)
	}
	return p
}

// value sets out to the value at x of the polynomial whose value at point k is y[k]. x must
// not be one of the points. All slices have the length of out.
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
