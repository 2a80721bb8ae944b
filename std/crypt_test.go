package std

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/link"
	"kcptun/std/testkit"
)

// stock is what the original gives kcp-go for a cipher: its own BlockCrypt.
// Independent of the table in crypt.go on purpose.
var stock = map[string]func(key []byte) (kcp.BlockCrypt, error){
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

// goldenKey is PBKDF2-HMAC-SHA1 of the default key, from Python's hashlib.
const goldenKey = "25d7d7bd51050742d8d791f2b653c6c8b2366b7e25a124cf7a2e12eaf4ffa444"

func derived(t testing.TB) []byte {
	t.Helper()
	key, err := hex.DecodeString(goldenKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func stockCipher(t testing.TB, name string) kcp.BlockCrypt {
	t.Helper()
	block, err := stock[name](derived(t))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func TestKeyDerivation(t *testing.T) {
	key, err := pbkdf2.Key(sha1.New, DefaultKey, []byte(keySalt), keyRounds, keyBytes)
	if err != nil || hex.EncodeToString(key) != goldenKey {
		t.Errorf("%x, %v", key, err)
	}
}

func TestCipherTable(t *testing.T) {
	names := CipherNames()
	if len(names) != 15 || len(stock) != 15 {
		t.Errorf("%d ciphers, %d of the original", len(names), len(stock))
	}
	overhead := map[string]int{"aes-128-gcm": 28, "null": 0}
	for _, name := range names {
		sealer, err := NewSealer(name, DefaultKey)
		if err != nil || stock[name] == nil {
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
	if _, err := NewSealer("aes-256", "k"); err == nil || !strings.Contains(err.Error(), `"aes-256", valid are aes, `) {
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
	for _, name := range CipherNames() {
		sealer, err := NewSealer(name, DefaultKey)
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
		return gcm.Seal(append(make([]byte, 0, 2*link.MaxDatagram), nonce...), nonce, packet, nil)
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
	for _, name := range CipherNames() {
		t.Run(name, func(t *testing.T) {
			sealer, err := NewSealer(name, DefaultKey)
			if err != nil {
				t.Fatal(err)
			}
			block := stockCipher(t, name)
			for _, n := range []int{1, 7, 8, 15, 16, 17, 24, 100, 1000, 1472 - 28, link.MaxDatagram - sealer.Overhead()} {
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
			if same := link.SameKey(sealer, other); same != (name == "none") {
				t.Errorf("another key opens it: %t", same)
			}
		})
	}
}

// One sealer serves all sessions and both directions of a program at once.
func TestSealersInParallel(t *testing.T) {
	for _, name := range CipherNames() {
		sealer, err := NewSealer(name, DefaultKey)
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

// A session of kcp-go's own, crypto and all, against one over our link: the real
// thing for each cipher, with FEC.
func TestStockSessionOverOurLink(t *testing.T) {
	testkit.NoLeak(t)
	for _, name := range CipherNames() {
		if name == "sm4" {
			continue // kcp-go's own session spoils its packets: see newSM4
		}
		t.Run(name, func(t *testing.T) {
			c := testConfig(Server)
			c.Crypt, c.MTU, c.DataShard, c.ParityShard = name, link.MaxDatagram, 2, 1
			l, err := link.Listen(context.Background(), linkOptions(t, c), "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			lis, err := kcp.ServeConn(nil, 0, 0, l)
			if err != nil {
				t.Fatal(err)
			}
			defer lis.Close()
			near, err := kcp.DialWithOptions(l.LocalAddr().String(), stockCipher(t, name), 3, 2)
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			//lint:ignore SA1019 stream mode is what the wire has, and kcp-go has no other call for it
			near.SetStreamMode(true)
			near.SetNoDelay(1, 10, 2, 1)
			near.SetMtu(link.MaxDatagram)
			up, down := testkit.RandomBytes(1, 50_000), testkit.RandomBytes(2, 50_000)
			if _, err := near.Write(up); err != nil {
				t.Fatal(err)
			}
			far, err := lis.AcceptKCP()
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			defer closeListener(l, lis)
			NewSessions(c).newClassic(far, l, l.Peer())
			if _, err := far.Write(down); err != nil {
				t.Fatal(err)
			}
			for what, r := range map[string]struct {
				conn *kcp.UDPSession
				want []byte
			}{"up": {far, up}, "down": {near, down}} {
				got := make([]byte, len(r.want))
				if _, err := io.ReadFull(deadline(t, r.conn), got); err != nil || !bytes.Equal(got, r.want) {
					t.Errorf("%s: not what was sent, %v", what, err)
				}
			}
		})
	}
}
