package testkit

import (
	"encoding/hex"
	"testing"

	"github.com/xtaci/kcp-go/v5"
)

// StockCiphers are the ciphers that the original passes to kcp-go: its own BlockCrypt. They
// are deliberately independent of the table in package crypt.
var StockCiphers = map[string]func(key []byte) (kcp.BlockCrypt, error){
	"aes":         kcp.NewAESBlockCrypt,
	"aes-128":     func(k []byte) (kcp.BlockCrypt, error) { return kcp.NewAESBlockCrypt(k[:16]) },
	"aes-192":     func(k []byte) (kcp.BlockCrypt, error) { return kcp.NewAESBlockCrypt(k[:24]) },
	"aes-128-gcm": func(k []byte) (kcp.BlockCrypt, error) { return kcp.NewAESGCMCrypt(k[:16]) },
	"salsa20":     kcp.NewSalsa20BlockCrypt,
	"blowfish":    kcp.NewBlowfishBlockCrypt,
	"twofish":     kcp.NewTwofishBlockCrypt,
	"cast5":       func(k []byte) (kcp.BlockCrypt, error) { return kcp.NewCast5BlockCrypt(k[:16]) },
	"3des":        func(k []byte) (kcp.BlockCrypt, error) { return kcp.NewTripleDESBlockCrypt(k[:24]) },
	"tea":         func(k []byte) (kcp.BlockCrypt, error) { return kcp.NewTEABlockCrypt(k[:16]) },
	"xtea":        func(k []byte) (kcp.BlockCrypt, error) { return kcp.NewXTEABlockCrypt(k[:16]) },
	"xor":         kcp.NewSimpleXORBlockCrypt,
	"sm4":         func(k []byte) (kcp.BlockCrypt, error) { return kcp.NewSM4BlockCrypt(k[:16]) },
	"none":        kcp.NewNoneBlockCrypt,
	"null":        func([]byte) (kcp.BlockCrypt, error) { return nil, nil },
}

// GoldenKey is PBKDF2-HMAC-SHA1 of the default key, from Python's hashlib.
const GoldenKey = "25d7d7bd51050742d8d791f2b653c6c8b2366b7e25a124cf7a2e12eaf4ffa444"

// DerivedKey is GoldenKey as bytes.
func DerivedKey(t testing.TB) []byte {
	t.Helper()
	key, err := hex.DecodeString(GoldenKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// StockCipher is the original's cipher for the default key.
func StockCipher(t testing.TB, name string) kcp.BlockCrypt {
	t.Helper()
	block, err := StockCiphers[name](DerivedKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return block
}
