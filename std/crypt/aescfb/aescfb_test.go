package aescfb

import (
	"bytes"
	"crypto/aes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/xtaci/kcp-go/v5"
)

func random(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	_, _ = src.Read(b)
	return b
}

// variants runs a test with the processor's instructions and without.
func variants(t *testing.T, keySize int, f func(t *testing.T, c *Cipher, old kcp.BlockCrypt)) {
	t.Helper()
	key := random(keySize)
	old, err := kcp.NewAESBlockCrypt(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []bool{false, true} {
		c, err := New(key)
		if err != nil {
			t.Fatal(err)
		}
		if plain {
			c.keys = nil
		}
		t.Run(fmt.Sprintf("%d bytes, plain %t", keySize, plain), func(t *testing.T) { f(t, c, old) })
	}
}

func TestSameAsKCP(t *testing.T) {
	for _, keySize := range []int{16, 24, 32} {
		variants(t, keySize, func(t *testing.T, c *Cipher, old kcp.BlockCrypt) {
			for size := 1; size <= 1500; size += 1 + size/37 {
				want := random(size)
				got := bytes.Clone(want)
				old.Encrypt(want, want)
				c.Encrypt(got, size)
				if !bytes.Equal(got, want) {
					t.Fatalf("encrypted %d bytes differ from kcp-go's", size)
				}
				c.Decrypt(got)
				if !bytes.Equal(got, random(size)) {
					t.Fatalf("decrypted %d bytes differ from the original", size)
				}
			}
		})
	}
}

func TestManyPackets(t *testing.T) {
	for _, keySize := range []int{16, 32} {
		variants(t, keySize, func(t *testing.T, c *Cipher, old kcp.BlockCrypt) {
			for _, size := range []int{1, 15, 16, 17, 31, 127, 128, 1334, 1350, 1500} {
				for count := 1; count <= 2*Lanes+3; count++ {
					for _, last := range []int{size, (size + 1) / 2} {
						buf := random(size*(count-1) + last)
						want := bytes.Clone(buf)
						for rest := want; len(rest) > 0; {
							n := min(size, len(rest))
							old.Encrypt(rest[:n], rest[:n])
							rest = rest[n:]
						}
						c.Encrypt(buf, size)
						if !bytes.Equal(buf, want) {
							t.Fatalf("%d packets of %d bytes, the last of %d, differ from kcp-go's", count, size, last)
						}
					}
				}
			}
		})
	}
}

// TestNothingElseIsWritten opens packets of every length at odd addresses amid other bytes.
func TestNothingElseIsWritten(t *testing.T) {
	variants(t, 32, func(t *testing.T, c *Cipher, _ kcp.BlockCrypt) {
		for size := range 3 * Lanes * block {
			begin := block + size%block
			buf := bytes.Repeat([]byte{0xa5}, begin+size+Lanes*block)
			want := bytes.Clone(buf)
			copy(want[begin:], random(size))
			p := buf[begin : begin+size]
			copy(p, random(size))
			c.Encrypt(p, size)
			c.Decrypt(p)
			if !bytes.Equal(buf, want) {
				t.Fatalf("a packet of %d bytes does not come back, or bytes beside it change", size)
			}
		}
	})
}

func TestLongerThanAChunk(t *testing.T) {
	variants(t, 32, func(t *testing.T, c *Cipher, _ kcp.BlockCrypt) {
		p := random(3*chunk + 5)
		c.Encrypt(p, len(p))
		c.Decrypt(p)
		if !bytes.Equal(p, random(3*chunk+5)) {
			t.Fatal("a long packet does not come back")
		}
	})
}

// TestExpand compares an expanded key with the standard library's by encrypting.
func TestExpand(t *testing.T) {
	if !hardware {
		t.Skip("this processor has no AES instructions")
	}
	for _, keySize := range []int{16, 24, 32} {
		key, src := random(keySize), random(9*block)
		want, got := make([]byte, len(src)), make([]byte, len(src))
		b, _ := aes.NewCipher(key)
		for i := 0; i < len(src); i += block {
			b.Encrypt(want[i:], src[i:])
		}
		keys := expand(key)
		for i := 0; i < len(src); i += block {
			encryptChain(keys, &src[i], 1, (*[block]byte)(got[i:])) // got is zero before
		}
		if !bytes.Equal(got, want) {
			t.Errorf("key of %d bytes: blocks differ from the standard library's", keySize)
		}
	}
}

func TestBadKey(t *testing.T) {
	if _, err := New(make([]byte, 15)); err == nil {
		t.Error("a key of 15 bytes is taken")
	}
}

func TestNoAllocations(t *testing.T) {
	c, _ := New(random(32))
	buf := random(64 * 1000)
	if n := testing.AllocsPerRun(20, func() { c.Encrypt(buf, 1000); c.Decrypt(buf[:1000]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSameAsKCP(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("a packet of some bytes, longer than a block"), 20)
	f.Fuzz(func(t *testing.T, key, data []byte, size int) {
		if len(key) < 16 || len(data) == 0 || size < 1 {
			return
		}
		key = key[:len(key)/8*8]
		key = key[:min(len(key), 32)]
		old, err := kcp.NewAESBlockCrypt(key)
		if err != nil {
			return
		}
		c, err := New(key)
		if err != nil {
			t.Fatal(err)
		}
		want, got := bytes.Clone(data), bytes.Clone(data)
		for rest := want; len(rest) > 0; {
			n := min(size, len(rest))
			old.Encrypt(rest[:n], rest[:n])
			rest = rest[n:]
		}
		c.Encrypt(got, size)
		if !bytes.Equal(got, want) {
			t.Fatal("differs from kcp-go's")
		}
		for rest := got; len(rest) > 0; {
			n := min(size, len(rest))
			c.Decrypt(rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(got, data) {
			t.Fatal("does not come back")
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	for _, count := range []int{1, 8, 48} {
		b.Run(fmt.Sprintf("%d packets", count), func(b *testing.B) {
			c, _ := New(random(32))
			buf := random(count * 1350)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				c.Encrypt(buf, 1350)
			}
		})
	}
	b.Run("kcp-go", func(b *testing.B) {
		c, _ := kcp.NewAESBlockCrypt(random(32))
		buf := random(1350)
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			c.Encrypt(buf, buf)
		}
	})
}

func BenchmarkDecrypt(b *testing.B) {
	c, _ := New(random(32))
	old, _ := kcp.NewAESBlockCrypt(random(32))
	buf := random(1350)
	for _, side := range []struct {
		name    string
		decrypt func()
	}{{"ours", func() { c.Decrypt(buf) }}, {"kcp-go", func() { old.Decrypt(buf, buf) }}} {
		b.Run(side.name, func(b *testing.B) {
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				side.decrypt()
			}
		})
	}
}
