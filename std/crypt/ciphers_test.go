package crypt

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/testkit"
)

// defaultKey is the key of testkit.GoldenKey.
const defaultKey = "it's a secrect"

func TestKeyDerivation(t *testing.T) {
	key, err := pbkdf2.Key(sha1.New, defaultKey, []byte(keySalt), keyRounds, keyBytes)
	if err != nil || hex.EncodeToString(key) != testkit.GoldenKey {
		t.Errorf("%x, %v", key, err)
	}
}

func TestCipherTable(t *testing.T) {
	names := Names()
	if len(names) != 15 || len(testkit.StockCiphers) != 15 {
		t.Errorf("%d ciphers, %d of the original", len(names), len(testkit.StockCiphers))
	}
	overhead := map[string]int{"aes-128-gcm": 28, "null": 0}
	for _, name := range names {
		sealer, err := NewSealer(name, defaultKey)
		if err != nil || testkit.StockCiphers[name] == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, special := overhead[name]
		if !special {
			want = 20
		}
		if sealer.Overhead() != want {
			t.Errorf("%s: overhead %d, want %d", name, sealer.Overhead(), want)
		}
	}
	if _, err := NewSealer("aes-256", "k"); err == nil || !strings.Contains(err.Error(), `"aes-256", valid ones are aes, `) {
		t.Error(err)
	}
}

// goldenDatagrams are the packet "golden packet" with the nonce 00 01 02 ...,
// sealed by kcp-go v5.6.72 with the default key.
var goldenDatagrams = map[string]string{
	"aes":         "86834343335b168ca911bf584a05f9903f8e26fc5ff850eb63c133623c6260133f",
	"aes-128":     "ddd7e0a7981ba3e2a7f6d51f2a26631874a3a1628d77a4b7ab2acb3035e22ed9d4",
	"aes-128-gcm": "000102030405060708090a0b34e269a36f0265b1b67390ba79aedf5a9a23e988563dea81ce137b8edd",
	"aes-192":     "b9db59f7dd1bce4922855fb7f8f8e2619501352b001a4ee859f02cef9605bf3826",
	"salsa20":     "00010203040506079aaa6e7faf75365c71363f3c7f019e3717fd7b741f9be0301e",
	"blowfish":    "186797305116055ece6531b898c4b2351d550c0572b239392eafc5794f8bf3d26a",
	"twofish":     "79a0668add94e7387471af7514bb106533e80d03a6c718a856d17fa3ca8a6a9294",
	"cast5":       "bb8f8d2209e0131c7d027b3e28d6b457b92b8ebeaf215f8fc3d22b7d50aac8ef79",
	"3des":        "5dca5d4fac8f6accf083365ae9eb528a1554ceb9a5a0946199b1b871e59ab652cd",
	"tea":         "fc9c4eb4a8e9502bde3d3c8b0679084da7a98f99b91ae1686d6c81bd167503b897",
	"xtea":        "09256989438dfb5af0f2a323dfd1ac2cab6508eae7b5f98dc0355c68b47f0ced0b",
	"xor":         "0fff8b84a99173765c7011c3f60cb8234a4d5a33d5fa2c77a83c1fcc7e19c7e984",
	"sm4":         "0340e44fd923bb2259e375a7ab6ee54dd82ee945df5223c7c2a760e107a4f984a9",
	"none":        "000102030405060708090a0b0c0d0e0f21835b35676f6c64656e207061636b6574",
	"null":        "676f6c64656e207061636b6574",
}

func TestGoldenDatagrams(t *testing.T) {
	for _, name := range Names() {
		sealer, err := NewSealer(name, defaultKey)
		if err != nil {
			t.Fatal(err)
		}
		datagram, err := hex.DecodeString(goldenDatagrams[name])
		if err != nil || len(datagram) == 0 {
			t.Fatal(name, err)
		}
		packet, ok := sealer.Open(datagram)
		if !ok || string(packet) != "golden packet" {
			t.Errorf("%s: %q, %t", name, packet, ok)
		}
	}
}

// sealStock seals as kcp-go's UDPSession does; see its postProcess.
func sealStock(block kcp.BlockCrypt, nonce, packet []byte) []byte {
	if block == nil {
		return slices.Clone(packet)
	}
	if gcm, ok := block.(interface {
		NonceSize() int
		Seal(dst, nonce, plain, extra []byte) []byte
	}); ok {
		nonce = nonce[:gcm.NonceSize()]
		return gcm.Seal(append(make([]byte, 0, 2*maxDatagram), nonce...), nonce, packet, nil)
	}
	d := binary.LittleEndian.AppendUint32(slices.Clone(nonce[:16]), crc32.ChecksumIEEE(packet))
	d = append(d, packet...)
	block.Encrypt(d, d)
	return d
}

// openStock opens as kcp-go's UDPSession does; see its packetInput.
func openStock(block kcp.BlockCrypt, datagram []byte) ([]byte, error) {
	d := slices.Clone(datagram)
	if block == nil {
		return d, nil
	}
	if gcm, ok := block.(interface {
		NonceSize() int
		Open(dst, nonce, sealed, extra []byte) ([]byte, error)
	}); ok {
		return gcm.Open(nil, d[:gcm.NonceSize()], d[gcm.NonceSize():], nil)
	}
	block.Decrypt(d, d)
	if sum := crc32.ChecksumIEEE(d[20:]); sum != binary.LittleEndian.Uint32(d[16:]) {
		return nil, fmt.Errorf("checksum %x, want %x", binary.LittleEndian.Uint32(d[16:]), sum)
	}
	return d[20:], nil
}

// Each cipher against kcp-go's own, both ways, at every length that matters.
func TestCiphersAgainstStock(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			sealer, err := NewSealer(name, defaultKey)
			if err != nil {
				t.Fatal(err)
			}
			block := testkit.StockCipher(t, name)
			for _, n := range []int{1, 7, 8, 15, 16, 17, 24, 100, 1000, 1472 - 28, maxDatagram - sealer.Overhead()} {
				packet := testkit.RandomBytes(uint64(n), n)
				ours := sealer.Seal([]byte("head"), packet)
				if string(ours[:4]) != "head" || len(ours) != 4+n+sealer.Overhead() {
					t.Fatalf("%d bytes sealed to %d", n, len(ours)-4)
				}
				if got, err := openStock(block, ours[4:]); err != nil || !bytes.Equal(got, packet) {
					t.Errorf("kcp-go does not open what we seal (%d bytes): %v", n, err)
				}
				theirs := sealStock(block, testkit.RandomBytes(99, 16), packet)
				if got, ok := sealer.Open(theirs); !ok || !bytes.Equal(got, packet) {
					t.Errorf("we do not open what kcp-go seals (%d bytes)", n)
				}
			}
			if name == "null" {
				return
			}
			if bytes.Equal(sealer.Seal(nil, []byte("x")), sealer.Seal(nil, []byte("x"))) {
				t.Error("the nonce is the same twice")
			}
			other, err := NewSealer(name, "another key")
			if err != nil {
				t.Fatal(err)
			}
			if same := sameKey(sealer, other); same != (name == "none") {
				t.Errorf("another key opens it: %t", same)
			}
		})
	}
}

// One sealer serves all sessions and both directions of a program at once.
func TestSealersInParallel(t *testing.T) {
	for _, name := range Names() {
		sealer, err := NewSealer(name, defaultKey)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := range 50 {
					packet := testkit.RandomBytes(uint64(i), 500+j)
					if got, ok := sealer.Open(sealer.Seal(nil, packet)); !ok || !bytes.Equal(got, packet) {
						t.Errorf("%s: spoilt by others", name)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}
