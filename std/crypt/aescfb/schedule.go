package aescfb

import "math/bits"

// maxRounds is that of a key of 32 bytes (FIPS 197).
const maxRounds = 14

// schedule is an expanded key. encrypt_amd64.s knows its layout.
type schedule struct {
	rounds uint64
	keys   [(maxRounds + 1) * block]byte
}

// expand expands a key of 16, 24 or 32 bytes (FIPS 197, 5.2).
func expand(key []byte) *schedule {
	words := len(key) / 4
	s := &schedule{rounds: uint64(words + 6)}
	copy(s.keys[:], key)
	rcon := byte(1)
	for i := words; i < 4*(words+7); i++ {
		var t [4]byte
		copy(t[:], s.keys[4*(i-1):])
		switch {
		case i%words == 0:
			t = [4]byte{sbox(t[1]) ^ rcon, sbox(t[2]), sbox(t[3]), sbox(t[0])}
			rcon = double(rcon)
		case words > 6 && i%words == 4:
			t = [4]byte{sbox(t[0]), sbox(t[1]), sbox(t[2]), sbox(t[3])}
		}
		for j := range t {
			s.keys[4*i+j] = s.keys[4*(i-words)+j] ^ t[j]
		}
	}
	return s
}

// sbox is AES's substitution: the inverse in GF(2^8), then an affine map. It is
// computed without a table and without a branch on the secret, as a key is
// expanded once.
func sbox(b byte) byte {
	// The inverse is the 254th power.
	inverse := byte(1)
	for range 127 {
		inverse = multiply(inverse, multiply(b, b))
	}
	x := inverse
	return x ^ bits.RotateLeft8(x, 1) ^ bits.RotateLeft8(x, 2) ^ bits.RotateLeft8(x, 3) ^ bits.RotateLeft8(x, 4) ^ 0x63
}

// multiply multiplies in GF(2^8).
func multiply(a, b byte) byte {
	product := byte(0)
	for range 8 {
		product ^= a & -(b & 1)
		a, b = double(a), b>>1
	}
	return product
}

// double multiplies by x modulo x^8+x^4+x^3+x+1.
func double(b byte) byte { return b<<1 ^ 0x1b&-(b>>7) }
