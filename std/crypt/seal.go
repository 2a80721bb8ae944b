package crypt

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/crypt/aescfb"
)

// Sealer turns a packet into a datagram and back. It is safe for concurrent use.
type Sealer interface {
	// Overhead is the number of bytes added by Seal.
	Overhead() int
	// Seal appends the sealed packet to dst and returns the result. dst must not overlap
	// packet.
	Seal(dst, packet []byte) []byte
	// Open opens a datagram in place and returns the packet inside it. It returns false if
	// the datagram was not sealed with this key. It does not allocate.
	Open(datagram []byte) ([]byte, bool)
}

// Plain does not seal at all. It is the cipher "null".
type Plain struct{}

// Overhead is 0.
func (Plain) Overhead() int { return 0 }

// Seal appends the packet unchanged.
func (Plain) Seal(dst, packet []byte) []byte { return append(dst, packet...) }

// Open returns the datagram unchanged.
func (Plain) Open(datagram []byte) ([]byte, bool) { return datagram, true }

const (
	cfbNonce  = 16 // random bytes at the head of a datagram in CFB form
	cfbHeader = cfbNonce + crc32.Size
)

// maxDatagram is the largest datagram that is opened, in bytes: the table of kcp-go's xor
// cipher ends there.
const maxDatagram = 1500

type cfb struct {
	block  kcp.BlockCrypt
	random random
}

// NewCFB returns the classic packet form: 16 random bytes, the CRC-32 of what follows, and
// the packet, all encrypted with block.
func NewCFB(block kcp.BlockCrypt) Sealer { return &cfb{block: block} }

func (*cfb) Overhead() int { return cfbHeader }

func (c *cfb) Seal(dst, packet []byte) []byte {
	head := len(dst)
	dst = append(dst, make([]byte, cfbHeader)...)
	dst = append(dst, packet...)
	d := dst[head:]
	c.random.fill(d[:cfbNonce])
	binary.LittleEndian.PutUint32(d[cfbNonce:], crc32.ChecksumIEEE(packet))
	c.block.Encrypt(d, d)
	return dst
}

func (c *cfb) Open(datagram []byte) ([]byte, bool) {
	if len(datagram) < cfbHeader || len(datagram) > maxDatagram {
		return nil, false
	}
	c.block.Decrypt(datagram, datagram)
	packet := datagram[cfbHeader:]
	return packet, crc32.ChecksumIEEE(packet) == binary.LittleEndian.Uint32(datagram[cfbNonce:])
}

// BatchSealer is a Sealer that seals several packets side by side faster than one by one.
// The link therefore waits to seal a batch until it sends it.
type BatchSealer interface {
	Sealer
	// SealAll seals the datagrams in buf in place. They are back to back, each of size
	// bytes except for a shorter last one. Each holds its packet after Overhead bytes of
	// space.
	SealAll(buf []byte, size int)
}

type aesCFB struct {
	cipher *aescfb.Cipher
	random random
}

// NewAESCFB is NewCFB with AES, for a key of 16, 24 or 32 bytes.
func NewAESCFB(key []byte) (Sealer, error) {
	c, err := aescfb.New(key)
	if err != nil {
		return nil, err
	}
	return &aesCFB{cipher: c}, nil
}

func (*aesCFB) Overhead() int { return cfbHeader }

func (a *aesCFB) Seal(dst, packet []byte) []byte {
	head := len(dst)
	dst = append(dst, make([]byte, cfbHeader)...)
	dst = append(dst, packet...)
	a.SealAll(dst[head:], len(dst)-head)
	return dst
}

func (a *aesCFB) SealAll(buf []byte, size int) {
	for rest := buf; len(rest) > 0; {
		d := rest[:min(size, len(rest))]
		a.random.fill(d[:cfbNonce])
		binary.LittleEndian.PutUint32(d[cfbNonce:], crc32.ChecksumIEEE(d[cfbHeader:]))
		rest = rest[len(d):]
	}
	a.cipher.Encrypt(buf, size)
}

func (a *aesCFB) Open(datagram []byte) ([]byte, bool) {
	if len(datagram) < cfbHeader {
		return nil, false
	}
	a.cipher.Decrypt(datagram)
	packet := datagram[cfbHeader:]
	return packet, crc32.ChecksumIEEE(packet) == binary.LittleEndian.Uint32(datagram[cfbNonce:])
}

type aead struct {
	cipher.AEAD
	random random
}

// NewAEAD returns the authenticated packet form: a random nonce, then the sealed packet
// with its tag.
func NewAEAD(a cipher.AEAD) Sealer { return &aead{AEAD: a} }

func (a *aead) Overhead() int { return a.NonceSize() + a.AEAD.Overhead() }

func (a *aead) Seal(dst, packet []byte) []byte {
	head, size := len(dst), a.NonceSize()
	dst = append(dst, make([]byte, size)...)
	nonce := dst[head:]
	a.random.fill(nonce)
	return a.AEAD.Seal(dst, nonce, packet, nil)
}

func (a *aead) Open(datagram []byte) ([]byte, bool) {
	size := a.NonceSize()
	if len(datagram) < size+a.AEAD.Overhead() {
		return nil, false
	}
	packet, err := a.AEAD.Open(datagram[size:size], datagram[:size], datagram[size:], nil)
	return packet, err == nil
}

// random provides random bytes from the system in small pieces: one read of the source
// serves 256 nonces.
type random struct {
	mu   sync.Mutex
	buf  [4096]byte
	left int
}

func (r *random) fill(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left < len(p) {
		_, _ = rand.Read(r.buf[:]) // never fails: it ends the program instead
		r.left = len(r.buf)
	}
	start := len(r.buf) - r.left
	copy(p, r.buf[start:])
	clear(r.buf[start : start+len(p)])
	r.left -= len(p)
}
