// Package crypt owns the ciphers: their names, the key that each derives from the
// pre-shared key, and the sealing of packets. It knows nothing of the link that uses it.
package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"fmt"
	"strings"
	"sync"

	"github.com/xtaci/kcp-go/v5"
)

// Fixed by the wire format: every version derives the packet key in this way.
const (
	keySalt   = "kcp-go"
	keyRounds = 4096
	keyBytes  = 32
)

// spec is one row of the table of ciphers: how many bytes of the derived key it uses, and
// how to make its sealer.
type spec struct {
	name   string
	bytes  int
	sealer func(key []byte) (Sealer, error)
}

// ciphers is the only table of ciphers, in the order of the help text.
var ciphers = []spec{
	{"aes", 32, NewAESCFB},
	{"aes-128", 16, NewAESCFB},
	{"aes-128-gcm", 16, inGCM},
	{"aes-192", 24, NewAESCFB},
	{"salsa20", 32, inCFB(kcp.NewSalsa20BlockCrypt)},
	{"blowfish", 32, inCFB(kcp.NewBlowfishBlockCrypt)},
	{"twofish", 32, inCFB(kcp.NewTwofishBlockCrypt)},
	{"cast5", 16, inCFB(kcp.NewCast5BlockCrypt)},
	{"3des", 24, inCFB(kcp.NewTripleDESBlockCrypt)},
	{"tea", 16, inCFB(kcp.NewTEABlockCrypt)},
	{"xtea", 16, inCFB(kcp.NewXTEABlockCrypt)},
	{"xor", 32, inCFB(kcp.NewSimpleXORBlockCrypt)},
	{"sm4", 16, inCFB(newSM4)},
	{"none", 32, inCFB(kcp.NewNoneBlockCrypt)},
	{"null", 0, func([]byte) (Sealer, error) { return Plain{}, nil }},
}

func inCFB(newBlock func([]byte) (kcp.BlockCrypt, error)) func([]byte) (Sealer, error) {
	return func(key []byte) (Sealer, error) {
		block, err := newBlock(key)
		if err != nil {
			return nil, err
		}
		return NewCFB(block), nil
	}
}

// newSM4 makes an SM4 cipher that several goroutines can use. The implementation that
// kcp-go uses (tjfoc/gmsm) keeps working memory in the cipher, so that two packets at once
// corrupt each other. No other cipher in the table has this problem.
func newSM4(key []byte) (kcp.BlockCrypt, error) {
	first, err := kcp.NewSM4BlockCrypt(key)
	if err != nil {
		return nil, err
	}
	p := new(pooledBlock)
	p.idle.New = func() any {
		block, _ := kcp.NewSM4BlockCrypt(key) // the key was accepted before
		return block
	}
	p.idle.Put(first)
	return p, nil
}

// pooledBlock uses a separate cipher for each concurrent call.
type pooledBlock struct{ idle sync.Pool }

func (p *pooledBlock) Encrypt(dst, src []byte) {
	block := p.idle.Get().(kcp.BlockCrypt)
	block.Encrypt(dst, src)
	p.idle.Put(block)
}

func (p *pooledBlock) Decrypt(dst, src []byte) {
	block := p.idle.Get().(kcp.BlockCrypt)
	block.Decrypt(dst, src)
	p.idle.Put(block)
}

func inGCM(key []byte) (Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return NewAEAD(gcm), nil
}

// Names are the values that --crypt takes.
func Names() []string {
	names := make([]string, len(ciphers))
	for i, c := range ciphers {
		names[i] = c.name
	}
	return names
}

// Aliases are names that people use for a cipher with another name. The original uses aes
// for every name that it does not know, so this one has always worked.
func Aliases() map[string]string { return map[string]string{"aes-256": "aes"} }

// NewSealer makes the sealer of the named cipher from the pre-shared key.
func NewSealer(name, key string) (Sealer, error) {
	for _, c := range ciphers {
		if c.name != name {
			continue
		}
		derived, err := pbkdf2.Key(sha1.New, key, []byte(keySalt), keyRounds, keyBytes)
		if err != nil {
			return nil, err
		}
		return c.sealer(derived[:c.bytes])
	}
	return nil, fmt.Errorf("unknown cipher %q, valid ones are %s", name, strings.Join(Names(), ", "))
}
