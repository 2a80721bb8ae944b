// Package aescfb is AES in the cipher feedback mode of KCP's packets, with the
// fixed initial vector of kcp-go. Feedback chains the blocks of one packet, so
// the speed is in doing several packets side by side when sealing, and several
// blocks when opening; the standard library does one block at a time.
package aescfb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"sync"
)

// initialVector is kcp-go's. The random bytes at the head of each packet do an
// initial vector's work.
var initialVector = [aes.BlockSize]byte{167, 115, 79, 156, 18, 172, 27, 1, 164, 21, 242, 193, 252, 120, 230, 107}

const block = aes.BlockSize

// Lanes is how many packets Encrypt does side by side.
const Lanes = 8

// chunk is how many bytes decryptPlain does at a time: no packet is longer.
const chunk = 2048

// Cipher seals and opens packets. It may be used from several goroutines.
type Cipher struct {
	keys  *schedule    // for the processor's instructions; nil without them
	plain cipher.Block // without them
	first [block]byte  // the key stream of a packet's first block
}

// New makes a cipher from a key of 16, 24 or 32 bytes.
func New(key []byte) (*Cipher, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("aes-cfb: %w", err)
	}
	c := &Cipher{plain: b}
	if hardware {
		c.keys = expand(key)
	}
	b.Encrypt(c.first[:], initialVector[:])
	return c, nil
}

// Parallel tells whether Encrypt does several packets faster than one by one.
func (c *Cipher) Parallel() bool { return c.keys != nil }

// Encrypt encrypts the packets in buf in place. They are back to back, each of
// size bytes but for a shorter last one.
func (c *Cipher) Encrypt(buf []byte, size int) {
	for len(buf) >= size && len(buf) > 0 {
		n := min(len(buf)/size, Lanes)
		if c.keys == nil || n < 3 { // below three the idle lanes cost more than they give
			c.encryptOne(buf[:size])
			n = 1
		} else {
			c.encryptLanes(buf[:n*size], size, n)
		}
		buf = buf[n*size:]
	}
	if len(buf) > 0 {
		c.encryptOne(buf)
	}
}

func (c *Cipher) encryptOne(p []byte) {
	if c.keys == nil {
		c.encryptPlain(p)
		return
	}
	stream := c.first
	blocks := len(p) / block
	if blocks > 0 {
		encryptChain(c.keys, &p[0], blocks, &stream)
	}
	p = p[blocks*block:]
	subtle.XORBytes(p, p, stream[:])
}

// streams holds key streams for the plain cipher, through whose interface a
// local one would be moved to the heap.
var streams = sync.Pool{New: func() any { return new([chunk + block]byte) }}

func (c *Cipher) encryptPlain(p []byte) {
	buf := streams.Get().(*[chunk + block]byte)
	defer streams.Put(buf)
	stream := buf[:block]
	copy(stream, c.first[:])
	for ; len(p) >= block; p = p[block:] {
		subtle.XORBytes(p, p[:block], stream)
		c.plain.Encrypt(stream, p[:block])
	}
	subtle.XORBytes(p, p, stream)
}

// encryptLanes encrypts n packets of one size. Lanes without a packet work on
// scratch.
func (c *Cipher) encryptLanes(buf []byte, size, n int) {
	blocks := size / block
	var scratch [block]byte
	var lanes [Lanes]lane
	for i := range lanes {
		lanes[i] = lane{at: &scratch[0], stream: c.first}
		if i < n && blocks > 0 {
			lanes[i].at, lanes[i].step = &buf[i*size], block
		}
	}
	if blocks > 0 {
		encryptLanes(c.keys, &lanes, blocks)
	}
	for i := range n {
		tail := buf[i*size+blocks*block : (i+1)*size]
		subtle.XORBytes(tail, tail, lanes[i].stream[:])
	}
}

// Decrypt decrypts one packet in place.
func (c *Cipher) Decrypt(p []byte) {
	if c.keys == nil {
		c.decryptPlain(p)
		return
	}
	const eight = 8 * block
	stream := c.first
	if n := len(p) / eight; n > 0 {
		decryptBlocks(c.keys, &p[0], n, &stream)
		p = p[n*eight:]
	}
	if len(p) > 0 { // eight blocks side by side take no longer than two in turn
		var rest [eight]byte
		copy(rest[:], p)
		decryptBlocks(c.keys, &rest[0], 1, &stream)
		copy(p, rest[:])
	}
}

// decryptPlain makes the key stream of a chunk, whose last block is the first of the next
// one's, and applies it.
func (c *Cipher) decryptPlain(p []byte) {
	stream := streams.Get().(*[chunk + block]byte)
	defer streams.Put(stream)
	for first := c.first[:]; len(p) > 0; first = stream[chunk:] {
		copy(stream[:], first)
		n := min(len(p), chunk)
		for i := 0; i+block <= n; i += block {
			c.plain.Encrypt(stream[i+block:], p[i:])
		}
		subtle.XORBytes(p, p[:n], stream[:n])
		p = p[n:]
	}
}
