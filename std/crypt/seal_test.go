package crypt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"sync"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/testkit"
)

// smallest is the smallest packet of KCP.
const smallest = 24

// form is a cipher of the table, made from 32 bytes of key.
type form struct {
	name string
	make func(key []byte) Sealer
}

func everyForm() []form {
	block := func(name string, size int, f func([]byte) (kcp.BlockCrypt, error)) form {
		return form{name, func(key []byte) Sealer {
			b, err := f(key[:size])
			if err != nil {
				panic(err)
			}
			return NewCFB(b)
		}}
	}
	own := func(name string, size int) form {
		return form{name, func(key []byte) Sealer {
			s, err := NewAESCFB(key[:size])
			if err != nil {
				panic(err)
			}
			return s
		}}
	}
	return []form{
		own("aes of our own", 32), own("aes-128 of our own", 16), own("aes-192 of our own", 24),
		block("aes", 32, kcp.NewAESBlockCrypt),
		block("aes-128", 16, kcp.NewAESBlockCrypt),
		block("aes-192", 24, kcp.NewAESBlockCrypt),
		{"aes-128-gcm", gcmOf},
		block("salsa20", 32, kcp.NewSalsa20BlockCrypt),
		block("blowfish", 32, kcp.NewBlowfishBlockCrypt),
		block("twofish", 32, kcp.NewTwofishBlockCrypt),
		block("cast5", 16, kcp.NewCast5BlockCrypt),
		block("3des", 24, kcp.NewTripleDESBlockCrypt),
		block("tea", 16, kcp.NewTEABlockCrypt),
		block("xtea", 16, kcp.NewXTEABlockCrypt),
		block("xor", 32, kcp.NewSimpleXORBlockCrypt),
		block("sm4", 16, kcp.NewSM4BlockCrypt),
		block("none", 32, kcp.NewNoneBlockCrypt),
		{"null", func([]byte) Sealer { return Plain{} }},
	}
}

func gcmOf(key []byte) Sealer {
	b, err := aes.NewCipher(key[:16])
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(b)
	if err != nil {
		panic(err)
	}
	return NewAEAD(gcm)
}

func blockAES() Sealer {
	b, err := kcp.NewAESBlockCrypt(testkit.RandomBytes(3, 32))
	if err != nil {
		panic(err)
	}
	return NewCFB(b)
}

// forms runs a test over every cipher, with two sealers of one key and one of
// another.
func forms(t *testing.T, test func(t *testing.T, name string, a, b, other Sealer)) {
	for _, f := range everyForm() {
		t.Run(f.name, func(t *testing.T) {
			test(t, f.name, f.make(testkit.RandomBytes(3, 32)), f.make(testkit.RandomBytes(3, 32)), f.make(testkit.RandomBytes(4, 32)))
		})
	}
}

func keyless(name string) bool { return name == "null" || name == "none" }

func TestSealRoundTrip(t *testing.T) {
	forms(t, func(t *testing.T, _ string, a, b, _ Sealer) {
		for size := smallest; size <= maxDatagram-a.Overhead() && size <= 1480; size++ {
			packet := testkit.RandomBytes(uint64(size), size)
			kept := bytes.Clone(packet)
			head := []byte("already there")
			out := a.Seal(head, packet)
			datagram, ok := bytes.CutPrefix(out, head)
			if !ok {
				t.Fatalf("size %d: what was in dst is gone", size)
			}
			if len(datagram) != size+a.Overhead() {
				t.Fatalf("size %d: datagram of %d bytes, overhead %d", size, len(datagram), a.Overhead())
			}
			if !bytes.Equal(packet, kept) {
				t.Fatalf("size %d: sealing changed the packet", size)
			}
			got, ok := b.Open(datagram)
			if !ok || !bytes.Equal(got, packet) {
				t.Fatalf("size %d: does not open: %v", size, ok)
			}
			if &got[size-1] != &datagram[len(datagram)-1] && &got[0] != &datagram[a.Overhead()-16] {
				t.Fatalf("size %d: not opened in place", size)
			}
		}
	})
}

// Our own AES and kcp-go's are the same on the wire.
func TestOwnAESIsTheSame(t *testing.T) {
	byName := make(map[string]form)
	for _, f := range everyForm() {
		byName[f.name] = f
	}
	for _, name := range []string{"aes", "aes-128", "aes-192"} {
		theirs, ours := byName[name].make(testkit.RandomBytes(3, 32)), byName[name+" of our own"].make(testkit.RandomBytes(3, 32))
		for size := smallest; size <= maxDatagram-ours.Overhead(); size++ {
			packet := testkit.RandomBytes(uint64(size), size)
			for _, way := range [][2]Sealer{{theirs, ours}, {ours, theirs}} {
				if got, ok := way[1].Open(way[0].Seal(nil, packet)); !ok || !bytes.Equal(got, packet) {
					t.Fatalf("%s, %d bytes: %T does not open what %T sealed", name, size, way[1], way[0])
				}
			}
		}
	}
	if _, err := NewAESCFB(make([]byte, 15)); err == nil {
		t.Error("a key of 15 bytes is taken")
	}
}

func TestSealWrongKey(t *testing.T) {
	forms(t, func(t *testing.T, name string, a, b, other Sealer) {
		_, ok := other.Open(a.Seal(nil, testkit.RandomBytes(1, 500)))
		if ok != keyless(name) {
			t.Errorf("another key opens it: %v", ok)
		}
		if !sameKey(a, b) || sameKey(a, other) != keyless(name) {
			t.Errorf("SameKey: %v for the same, %v for another", sameKey(a, b), sameKey(a, other))
		}
	})
	if sameKey(blockAES(), gcmOf(testkit.RandomBytes(3, 32))) {
		t.Error("SameKey takes two forms for one")
	}
}

// A flipped bit is noticed, with an exception that the wire format has always had: the CRC
// does not cover the random bytes at the head of the CFB form, and with stream ciphers and
// small blocks a change there does not affect the packet.
func TestSealFlippedBits(t *testing.T) {
	forms(t, func(t *testing.T, name string, a, b, _ Sealer) {
		if name == "null" {
			t.Skip("null has nothing to notice it with")
		}
		_, isAEAD := a.(*aead)
		packet := testkit.RandomBytes(1, 200)
		datagram := a.Seal(nil, packet)
		for i := range datagram {
			for bit := range 8 {
				d := bytes.Clone(datagram)
				d[i] ^= 1 << bit
				got, ok := b.Open(d)
				if ok && (isAEAD || i >= cfbNonce || !bytes.Equal(got, packet)) {
					t.Fatalf("bit %d of byte %d flipped, and it opens", bit, i)
				}
			}
		}
	})
}

func TestSealLengths(t *testing.T) {
	forms(t, func(t *testing.T, _ string, a, b, _ Sealer) {
		for size := range a.Overhead() {
			if _, ok := b.Open(make([]byte, size)); ok {
				t.Errorf("%d bytes open", size)
			}
		}
		// A table of kcp-go's limits the CFB form. The link refuses longer datagrams of the
		// other forms.
		if _, isCFB := a.(*cfb); isCFB {
			if _, ok := b.Open(a.Seal(nil, make([]byte, maxDatagram+1-a.Overhead()))); ok {
				t.Errorf("%d bytes open", maxDatagram+1)
			}
		}
		if _, ok := b.Open(a.Seal(nil, make([]byte, maxDatagram-a.Overhead()))); !ok {
			t.Errorf("a datagram of %d bytes does not open", maxDatagram)
		}
	})
}

func TestSealNoncesDiffer(t *testing.T) {
	forms(t, func(t *testing.T, name string, a, _, _ Sealer) {
		if name == "null" {
			t.Skip("null has no nonce")
		}
		seen := make(map[string]bool)
		packet := make([]byte, 64)
		for i := range 2000 { // several refills of the pool of random bytes
			nonce := string(a.Seal(nil, packet)[:min(a.Overhead(), 12)])
			if seen[nonce] {
				t.Fatalf("nonce %d was there before", i)
			}
			seen[nonce] = true
		}
	})
}

func TestSealAllocatesNothing(t *testing.T) {
	forms(t, func(t *testing.T, name string, a, b, other Sealer) {
		packet := testkit.RandomBytes(1, 1300)
		buf := make([]byte, 0, 2*maxDatagram)
		if n := testkit.Allocations(func() { a.Seal(buf, packet) }); n != 0 {
			t.Errorf("Seal allocates %v times", n)
		}
		datagram := a.Seal(nil, packet)
		d := make([]byte, len(datagram))
		opens := func(s Sealer, want bool) func() {
			return func() {
				copy(d, datagram)
				if _, ok := s.Open(d); ok != want {
					t.Fatalf("opens: %v", ok)
				}
			}
		}
		if n := testkit.Allocations(opens(b, true)); n != 0 {
			t.Errorf("Open allocates %v times", n)
		}
		if n := testkit.Allocations(opens(other, keyless(name))); n != 0 {
			t.Errorf("Open of what does not open allocates %v times", n)
		}
	})
}

func TestSealConcurrently(t *testing.T) {
	forms(t, func(t *testing.T, _ string, a, b, _ Sealer) {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				packet := testkit.RandomBytes(uint64(g), 300+g)
				for range 50 {
					if got, ok := b.Open(a.Seal(nil, packet)); !ok || !bytes.Equal(got, packet) {
						t.Error("does not open")
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func FuzzOpen(fz *testing.F) {
	all := everyForm()
	for i, f := range all {
		fz.Add(uint8(i), f.make(testkit.RandomBytes(3, 32)).Seal(nil, testkit.RandomBytes(1, 100)))
		fz.Add(uint8(i), []byte{})
		fz.Add(uint8(i), make([]byte, maxDatagram))
	}
	sealers := make([]Sealer, len(all))
	for i, f := range all {
		sealers[i] = f.make(testkit.RandomBytes(3, 32))
	}
	fz.Fuzz(func(t *testing.T, which uint8, datagram []byte) {
		s := sealers[int(which)%len(sealers)]
		size := len(datagram)
		packet, ok := s.Open(datagram)
		if !ok {
			return
		}
		if len(packet) != size-s.Overhead() {
			t.Fatalf("a packet of %d bytes out of %d", len(packet), size)
		}
		again, ok := s.Open(s.Seal(nil, packet))
		if !ok || !bytes.Equal(again, packet) {
			t.Fatal("what opened does not open when sealed again", fmt.Sprint(len(packet)))
		}
	})
}

// sameKey tells whether two sealers open each other's datagrams.
func sameKey(a, b Sealer) bool {
	packet := bytes.Repeat([]byte{1}, smallest)
	if a.Overhead() != b.Overhead() {
		return false
	}
	got, ok := b.Open(a.Seal(nil, packet))
	return ok && bytes.Equal(got, packet)
}
